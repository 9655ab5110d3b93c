import { type DeviceInputs, defineProcess, type Transaction } from '../process.ts'
import { type Judged, judgeDevices, writeStates } from './judging.ts'
import { reasons } from './reasons.ts'
import { type HeardSample, samples } from './samples.ts'
import { closeNoLongerWatched, openSilent } from './silence.ts'
import { type AlertTransaction, closeAlert, openAlert, outputs } from './writing.ts'

/** How often silence is looked for, and rules that are off are found. */
const EVERY_MS = 2_000

/**
 * Opens and closes alerts by the rules of accounts, each once. The rules are read in the
 * transaction, so that a change holds from the next batch.
 */
export const businessProcess = defineProcess({
  from: samples,
  to: outputs,
  database: 'app',
  // Sorted within each record alone: how records are cut into batches must not decide what is late.
  order: 'as-they-came',
  time: ({ reading }) => reading.ts,
  reasons,
  metricsPort: 9474,
  webhooks: true,
  together: judgeQuiet,
  handle: async (device, heard, tx) => {
    const judged = (await judgeDevices([{ device, items: heard }], tx))[0]
    if (judged !== undefined) await write(tx, judged)
    return undefined
  },
  regularly: {
    everyMs: EVERY_MS,
    async handle(tx, behindSeconds) {
      await closeNoLongerWatched(tx)
      await openSilent(tx, behindSeconds)
    },
  },
})

/** Judges all devices, and leaves those of which an alert is opened or closed. */
async function judgeQuiet(inputs: readonly DeviceInputs<HeardSample>[], tx: Transaction): Promise<readonly DeviceInputs<HeardSample>[]> {
  const judged = await judgeDevices(inputs, tx)
  const eventful = new Set(
    judged
      .filter(({ silences, judgements }) => silences.length > 0 || judgements.some(({ changes }) => changes.length > 0))
      .map(({ device }) => device),
  )
  await writeStates(
    tx,
    judged.filter(({ device }) => !eventful.has(device)),
  )
  return inputs.filter(({ device }) => eventful.has(device))
}

/** Opens and closes alerts of a device, in the order in which the samples said so. */
async function write(tx: AlertTransaction, judged: Judged): Promise<void> {
  const { device, silences, judgements: of } = judged
  for (const { id, heardAt } of silences) await closeAlert(tx, id, { at: heardAt, value: null, because: 'heard' })
  for (const { ruleId, channel, open, changes } of of) {
    let id = open
    for (const { change, siteId } of changes) {
      if (change.tag === 'opened') id = await openAlert(tx, { ...change, ruleId, siteId, device, channel })
      else if (id !== undefined) await closeAlert(tx, id, change)
    }
  }
  await writeStates(tx, [judged])
}
