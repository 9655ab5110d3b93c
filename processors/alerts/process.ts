import type { DeviceId } from '../contract.ts'
import { defineProcess } from '../process.ts'
import type { RuleState } from './judge.ts'
import { reasons } from './reasons.ts'
import { isAbout, RULE_COLUMNS, type RuleRow, ruleOf } from './rule.ts'
import { type HeardSample, samples } from './samples.ts'
import { judgeSeries } from './series.ts'
import { closeNoLongerWatched, openSilent } from './silence.ts'
import { type AlertTransaction, AT, closeAlert, openAlert, outputs } from './writing.ts'

interface StateRow extends Record<string, unknown> {
  readonly rule_id: bigint
  readonly channel: string
  readonly at_micros: bigint
  readonly since_micros: bigint | null
  readonly reference_micros: bigint | null
  readonly reference_value: number | null
}

interface OpenRow extends Record<string, unknown> {
  readonly id: string
  readonly rule_id: bigint
  readonly channel: string
  readonly silence: boolean
  readonly opened: bigint
}

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
  handle: async (device, heard, tx) => {
    // First, because it locks the row: a redrive, and who looks for silence, wait for this device.
    const last = heard.reduce((latest, { received }) => Math.max(latest, received), 0)
    await tx.query(
      `INSERT INTO alert_device (device_id, heard_at) VALUES ($1, ${AT('$2')})
       ON CONFLICT (device_id) DO UPDATE SET heard_at = greatest(alert_device.heard_at, excluded.heard_at)`,
      [device, last],
    )
    const accounts = [...new Set(heard.flatMap(({ reading }) => (reading.account_id === null ? [] : [reading.account_id])))]
    const rules =
      accounts.length === 0
        ? []
        : await tx.query<RuleRow>(
            `SELECT ${RULE_COLUMNS} FROM alert_rules r
             WHERE r.account_id = ANY($1) AND r.enabled AND (r.devices IS NULL OR $2 = ANY(r.devices)) ORDER BY r.id`,
            [accounts, device],
          )
    const open = await openAlerts(tx, device)
    for (const { id, opened, silence } of open)
      if (silence && last >= Number(opened)) await closeAlert(tx, id, { at: last, value: null, because: 'heard' })
    if (rules.some(({ kind }) => kind !== 'silence')) await judgeRules(tx, device, heard, rules, open)
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

function openAlerts(tx: AlertTransaction, device: DeviceId): Promise<readonly OpenRow[]> {
  return tx.query<OpenRow>(
    `SELECT a.id, a.rule_id, a.channel, r.kind = 'silence' AS silence, (extract(epoch FROM a.opened_at) * 1000000)::bigint AS opened
     FROM alerts a JOIN alert_rules r ON r.id = a.rule_id WHERE a.device_id = $1 AND a.closed_at IS NULL`,
    [device],
  )
}

async function judgeRules(
  tx: AlertTransaction,
  device: DeviceId,
  heard: readonly HeardSample[],
  rules: readonly RuleRow[],
  open: readonly OpenRow[],
): Promise<void> {
  const states = await tx.query<StateRow>(
    'SELECT rule_id, channel, at_micros, since_micros, reference_micros, reference_value FROM alert_state WHERE device_id = $1 AND rule_id = ANY($2)',
    [device, rules.map(({ id }) => id)],
  )
  const channels = grouped(heard)
  for (const row of rules) {
    const rule = ruleOf(row)
    if (rule === undefined || row.quantity === null) continue
    for (const [channel, ofChannel] of channels) {
      const found = states.find((state) => state.rule_id === row.id && state.channel === channel)
      const alert = open.find((each) => each.rule_id === row.id && each.channel === channel)
      const before = found === undefined ? undefined : stateOf(found)
      const { state, changes } = judgeSeries(rule, row.quantity, { state: before, open: alert !== undefined }, ofChannel, (sample) =>
        isWanted(row, device, sample),
      )
      if (state === undefined || state === before) continue
      let id = alert?.id
      for (const { change, siteId } of changes) {
        if (change.tag === 'opened') id = await openAlert(tx, { ...change, ruleId: row.id, siteId, device, channel })
        else if (id !== undefined) await closeAlert(tx, id, change)
      }
      await writeState(tx, row.id, device, channel, state)
    }
  }
}

/** A rule counts from when it was made: what was received before is not judged. */
function isWanted(row: RuleRow, device: DeviceId, { reading, received }: HeardSample): boolean {
  return reading.account_id === Number(row.account_id) && received >= Number(row.created) && isAbout(row, device, reading.site_id)
}

function grouped(heard: readonly HeardSample[]): ReadonlyMap<string, readonly HeardSample[]> {
  const channels = new Map<string, HeardSample[]>()
  for (const sample of heard) {
    const of = channels.get(sample.channel)
    if (of === undefined) channels.set(sample.channel, [sample])
    else of.push(sample)
  }
  return channels
}

function stateOf(row: StateRow): RuleState {
  const { at_micros: at, since_micros: since, reference_micros: referenceAt, reference_value: value } = row
  return {
    at: Number(at),
    since: since === null ? null : Number(since),
    reference: referenceAt === null || value === null ? null : { at: Number(referenceAt), value },
  }
}

async function writeState(
  tx: AlertTransaction,
  ruleId: bigint,
  device: DeviceId,
  channel: string,
  { at, since, reference }: RuleState,
): Promise<void> {
  await tx.query(
    `INSERT INTO alert_state (rule_id, device_id, channel, at_micros, since_micros, reference_micros, reference_value)
     VALUES ($1, $2, $3, $4, $5, $6, $7)
     ON CONFLICT (rule_id, device_id, channel) DO UPDATE
     SET at_micros = excluded.at_micros, since_micros = excluded.since_micros, reference_micros = excluded.reference_micros,
       reference_value = excluded.reference_value`,
    [ruleId, device, channel, at, since, reference?.at ?? null, reference?.value ?? null],
  )
}
