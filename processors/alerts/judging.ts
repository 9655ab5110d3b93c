import type { DeviceId } from '../contract.ts'
import { grouped } from '../grouped.ts'
import type { DeviceInputs, Transaction } from '../process.ts'
import type { Rule, RuleState } from './judge.ts'
import { isAbout, RULE_COLUMNS, type RuleRow, ruleOf } from './rule.ts'
import type { HeardSample } from './samples.ts'
import { judgeSeries, type SampleChange } from './series.ts'
import { AT } from './writing.ts'

interface StateRow extends Record<string, unknown> {
  readonly device_id: string
  readonly rule_id: bigint
  readonly channel: string
  readonly at_micros: bigint
  readonly since_micros: bigint | null
  readonly reference_micros: bigint | null
  readonly reference_value: number | null
}

interface OpenRow extends Record<string, unknown> {
  readonly device_id: string
  readonly id: string
  readonly rule_id: bigint
  readonly channel: string
  readonly silence: boolean
  readonly opened: bigint
}

/** What the rules say of a device's samples. */
export interface Judged {
  readonly device: DeviceId
  readonly silences: readonly { readonly id: string; readonly heardAt: number }[]
  readonly judgements: readonly Judgement[]
}

interface Judgement {
  readonly ruleId: bigint
  readonly channel: string
  readonly open: string | undefined
  readonly state: RuleState
  readonly changes: readonly SampleChange[]
}

/**
 * Judges the samples of devices by the rules of their accounts: four statements, however many
 * devices. Nobody else judges these devices before the end of the transaction.
 */
export async function judgeDevices(
  inputs: readonly Pick<DeviceInputs<HeardSample>, 'device' | 'items'>[],
  tx: Pick<Transaction, 'query'>,
): Promise<readonly Judged[]> {
  const devices = inputs.map(({ device }) => device)
  const last = new Map(inputs.map(({ device, items }) => [device, items.reduce((latest, { received }) => Math.max(latest, received), 0)]))
  // First, because it locks the rows: a redrive, and who looks for silence, wait for these devices.
  await tx.query(
    `INSERT INTO alert_device (device_id, heard_at)
     SELECT device, ${AT('heard')} FROM unnest($1::text[], $2::bigint[]) AS i (device, heard) ORDER BY device COLLATE "C"
     ON CONFLICT (device_id) DO UPDATE SET heard_at = greatest(alert_device.heard_at, excluded.heard_at)`,
    [devices, devices.map((device) => last.get(device))],
  )
  const rules = await rulesOf(tx, inputs)
  const open = byDevice(await openAlerts(tx, devices))
  const states = byDevice(await statesOf(tx, devices, rules))
  return inputs.map(({ device, items }) => {
    const own = open.get(device) ?? []
    const heardAt = last.get(device) ?? 0
    return {
      device,
      silences: own.filter(({ silence, opened }) => silence && heardAt >= Number(opened)).map(({ id }) => ({ id, heardAt })),
      judgements: judgements(device, items, rules, own, states.get(device) ?? []),
    }
  })
}

/** The rules of the accounts whose readings these are, with how samples are judged by them. */
async function rulesOf(
  tx: Pick<Transaction, 'query'>,
  inputs: readonly Pick<DeviceInputs<HeardSample>, 'items'>[],
): Promise<readonly (readonly [RuleRow, Rule])[]> {
  const accounts = new Set<number>()
  for (const { items } of inputs) for (const { reading } of items) if (reading.account_id !== null) accounts.add(reading.account_id)
  if (accounts.size === 0) return []
  const rows = await tx.query<RuleRow>(
    `SELECT ${RULE_COLUMNS} FROM alert_rules r WHERE r.account_id = ANY($1) AND r.enabled AND r.kind <> 'silence' ORDER BY r.id`,
    [[...accounts]],
  )
  return rows.flatMap((row) => {
    const rule = ruleOf(row)
    return rule === undefined ? [] : [[row, rule] as const]
  })
}

function openAlerts(tx: Pick<Transaction, 'query'>, devices: readonly DeviceId[]): Promise<readonly OpenRow[]> {
  return tx.query<OpenRow>(
    `SELECT a.device_id, a.id, a.rule_id, a.channel, r.kind = 'silence' AS silence, (extract(epoch FROM a.opened_at) * 1000000)::bigint AS opened
     FROM alerts a JOIN alert_rules r ON r.id = a.rule_id WHERE a.device_id = ANY($1::text[]) AND a.closed_at IS NULL`,
    [devices],
  )
}

function statesOf(
  tx: Pick<Transaction, 'query'>,
  devices: readonly DeviceId[],
  rules: readonly (readonly [RuleRow, Rule])[],
): Promise<readonly StateRow[]> {
  if (rules.length === 0) return Promise.resolve([])
  return tx.query<StateRow>(
    `SELECT device_id, rule_id, channel, at_micros, since_micros, reference_micros, reference_value FROM alert_state
     WHERE rule_id = ANY($1) AND device_id = ANY($2::text[])`,
    [rules.map(([{ id }]) => id), devices],
  )
}

function byDevice<Row extends { readonly device_id: string }>(rows: readonly Row[]): ReadonlyMap<string, readonly Row[]> {
  return grouped(rows, ({ device_id: device }) => device)
}

function judgements(
  device: DeviceId,
  heard: readonly HeardSample[],
  rules: readonly (readonly [RuleRow, Rule])[],
  open: readonly OpenRow[],
  states: readonly StateRow[],
): readonly Judgement[] {
  const channels = grouped(heard, ({ channel }) => channel)
  return rules.flatMap(([row, rule]) => {
    const { quantity } = row
    if (quantity === null) return []
    return [...channels].flatMap(([channel, ofChannel]) => {
      const found = states.find((state) => state.rule_id === row.id && state.channel === channel)
      const alert = open.find((each) => each.rule_id === row.id && each.channel === channel)
      const before = found === undefined ? undefined : stateOf(found)
      const { state, changes } = judgeSeries(rule, quantity, { state: before, open: alert !== undefined }, ofChannel, (sample) =>
        isWanted(row, device, sample),
      )
      return state === undefined || state === before ? [] : [{ ruleId: row.id, channel, open: alert?.id, state, changes }]
    })
  })
}

/** A rule counts from when it was made: what was received before is not judged. */
function isWanted(row: RuleRow, device: DeviceId, { reading, received }: HeardSample): boolean {
  return reading.account_id === Number(row.account_id) && received >= Number(row.created) && isAbout(row, device, reading.site_id)
}

function stateOf(row: StateRow): RuleState {
  const { at_micros: at, since_micros: since, reference_micros: referenceAt, reference_value: value } = row
  return {
    at: Number(at),
    since: since === null ? null : Number(since),
    reference: referenceAt === null || value === null ? null : { at: Number(referenceAt), value },
  }
}

/** What is remembered of the devices for each rule. */
export async function writeStates(tx: Pick<Transaction, 'query'>, judged: readonly Judged[]): Promise<void> {
  const rows = judged.flatMap(({ device, judgements: of }) => of.map((judgement) => ({ device, ...judgement })))
  if (rows.length === 0) return
  await tx.query(
    `INSERT INTO alert_state (rule_id, device_id, channel, at_micros, since_micros, reference_micros, reference_value)
     SELECT * FROM unnest($1::bigint[], $2::text[], $3::text[], $4::bigint[], $5::bigint[], $6::bigint[], $7::double precision[])
     ON CONFLICT (rule_id, device_id, channel) DO UPDATE
     SET at_micros = excluded.at_micros, since_micros = excluded.since_micros, reference_micros = excluded.reference_micros,
       reference_value = excluded.reference_value`,
    [
      rows.map(({ ruleId }) => ruleId),
      rows.map(({ device }) => device),
      rows.map(({ channel }) => channel),
      rows.map(({ state }) => state.at),
      rows.map(({ state }) => state.since),
      rows.map(({ state }) => state.reference?.at ?? null),
      rows.map(({ state }) => state.reference?.value ?? null),
    ],
  )
}
