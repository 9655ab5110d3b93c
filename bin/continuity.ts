import {
  beginSnapshot,
  type ContinuityFilter,
  completeBoots,
  deviceCounts,
  foldedBoots,
  incompleteBoots,
  strangers,
} from '../connectors/postgres/continuity-question.ts'
import { redrivenFrames, redrivenLate } from '../connectors/postgres/continuity-redriven.ts'
import { loadBoots } from '../connectors/postgres/continuity-store.ts'
import { createDatabase } from '../connectors/postgres/database.ts'
import { createKnownDevices, type KnownDevices } from '../connectors/postgres/known-devices.ts'
import { readingConflicts } from '../connectors/postgres/reading-conflicts.ts'
import type { Session } from '../connectors/postgres/session.ts'
import { openFirmwareDirectory } from '../connectors/registry/firmware-directory.ts'
import { catchUp } from '../ops/continuity/catch-up.ts'
import { type ContinuityReport, continuityReport } from '../ops/continuity/report.ts'
import { continuityTable } from '../ops/continuity/table.ts'
import { measureTails, type Tails } from '../ops/continuity/tails.ts'
import { whole } from '../ops/figures.ts'
import type { BootState } from '../processors/continuity/boot.ts'
import { type BootCounts, countsOf, NO_FLIGHT } from '../processors/continuity/frame-counts.ts'
import { loadConfig } from '../services/config.ts'
import { declaredServices } from '../services/declared.ts'
import { kafkaClient } from '../services/kafka.ts'
import { createLog } from '../services/log.ts'
import { firmwareOptions } from '../services/schema-registry.ts'
import type { ConfigOption } from './command-line.ts'
import { printAll } from './print.ts'
import { sayMoments } from './say-moments.ts'

interface Options extends ConfigOption {
  readonly device?: string | undefined
  readonly since?: number | undefined
  readonly all?: true | undefined
  readonly json?: true | undefined
  readonly mostRecords: number
}

/**
 * `millrace continuity`: says where every frame is that a device ever numbered. Writes nothing.
 * @returns 0 if the states add up, whatever they are; 1 if they do not, or cannot be determined
 */
export async function continuity(options: Options): Promise<number> {
  const config = loadConfig(process.env, options.config)
  const services = await declaredServices(config)
  const filter: ContinuityFilter = { device: options.device ?? null, sinceMs: options.since ?? null }
  sayMoments({ '--since': options.since })
  const log = { ...createLog('continuity'), info: () => undefined }
  const kafka = kafkaClient(config, 'millrace-continuity-question', log)
  const stop = new AbortController()
  // The snapshot is held while Kafka is read.
  const database = createDatabase({
    url: config.env.TELEMETRY_DATABASE_URL,
    applicationName: 'millrace continuity question',
    idleInTransactionTimeoutMs: 0,
  })
  const devices = createKnownDevices(config.env.APP_DATABASE_URL, 'millrace continuity question')
  const firmwares = await openFirmwareDirectory(firmwareOptions(config, log, stop.signal))
  try {
    return await database.use(async (session) => {
      const tails = await measureTails(kafka, session, services, () => beginSnapshot(session))
      if (tails === undefined) return unknown('the ledger was never begun: start it with `millrace run continuity`')
      if (tails.records > BigInt(options.mostRecords))
        return unknown(
          `the ledger is ${whole(tails.records)} records behind, and at most ${whole(options.mostRecords)} are read to answer: let \`millrace run continuity\` catch up, or raise --most-records`,
        )
      const context = { kafka, firmwares, devices, tails, device: filter.device, log, signal: stop.signal }
      const report = await answer(session, filter, devices, await catchUp(context, (keys) => loadBoots(session, keys)))
      printAll(options.json ? json(report, tails) : text(report, tails, options.all === true || filter.device !== null))
      return report.addsUp ? 0 : 1
    })
  } finally {
    stop.abort()
    await firmwares[Symbol.asyncDispose]()
    await devices[Symbol.asyncDispose]()
    await database[Symbol.asyncDispose]()
  }
}

type CaughtUp = Awaited<ReturnType<typeof catchUp>>

/**
 * The report. Boots that the tails have records of are taken from memory; all others as they were
 * written.
 */
async function answer(
  session: Session,
  filter: ContinuityFilter,
  devices: KnownDevices,
  { ledger, inFlight, passedOver, strange }: CaughtUp,
): Promise<ContinuityReport> {
  const isAsked = ({ lastReceivedMs }: BootState): boolean => filter.sinceMs === null || !(lastReceivedMs < filter.sinceMs)
  const recent = [...ledger.boots()]
  const unknown = [...ledger.boots(false)]
  const written = await incompleteBoots(session, filter, recent)
  // Rows of strangers stay where they are until the ledger hears of the name again, even if the
  // name has become a device's.
  const writtenStrangers = await strangers(session, filter, [...recent, ...unknown])
  await devices.ask(writtenStrangers.map(({ device }) => device))
  const redriven = await redrivenFrames(session, filter)
  const counts = (state: BootState): BootCounts =>
    countsOf(state, inFlight(state.device, state.boot) ?? NO_FLIGHT, redriven(state.device, state.boot))
  // If one name is asked for, it counts, whether it is a device's or not.
  const isOne = ({ device }: BootState): boolean => devices.has(device) || device === filter.device
  const foreign = [...unknown.filter(isAsked), ...writtenStrangers]
  return continuityReport({
    complete: await completeBoots(session, filter, recent),
    boots: [...written, ...recent.filter(isAsked), ...foreign.filter(isOne)].map(counts),
    strangers: filter.device === null ? foreign.filter((state) => !isOne(state)).map(counts) : [],
    folds: (await foldedBoots(session, filter)).filter(({ device }) => filter.device === null || device === filter.device),
    counts: [...(await deviceCounts(session, filter)), ...ledger.changes().counts].filter(
      ({ device }) => filter.device === null || device === filter.device,
    ),
    differing: await readingConflicts(session, filter),
    redrivenLate: await redrivenLate(session, filter),
    passedOver,
    strange: filter.device === null ? strange : 0,
  })
}

function text(report: ContinuityReport, { records, lost }: Tails, all: boolean): readonly string[] {
  const lines = [...continuityTable(report, all)]
  if (lost > 0n)
    lines.push(
      `${whole(lost)} records were deleted by Kafka before the ledger had read them: frames of that time are called missing that may be stored`,
    )
  lines.push('', `${whole(records)} records were read from Kafka for what the ledger has not written yet.`)
  return lines
}

function json(report: ContinuityReport, { records, lost }: Tails): readonly string[] {
  return JSON.stringify({ ...report, recordsRead: Number(records), recordsLost: Number(lost) }, null, 2).split('\n')
}

/** Says why there is no answer. There are no figures then, because unknown is not zero. */
function unknown(why: string): number {
  process.stderr.write(`millrace continuity: cannot tell: ${why}\n`)
  return 1
}
