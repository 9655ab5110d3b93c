import { setTimeout as delay } from 'node:timers/promises'
import pg from 'pg'
import type { KafkaClient } from '../../connectors/kafka/client.ts'
import type { Alert } from '../../processors/alerts/generated/alert.ts'
import { type AlertRow, alertOf } from '../../processors/alerts/writing.ts'
import { metresBetween } from '../../processors/movement/distance.ts'
import { topics } from '../../processors/topics.ts'
import { readAlerts } from './alerts-topic.ts'
import { contactDifferences, createExactContacts, type ExactContacts, readContacts, readSilences } from './contact-check.ts'
import { HIVE_ACCOUNT, HIVES, PLACES, SILENCE_RULE } from './hives.ts'
import type { Line } from './line.ts'
import { differences, silencesOf, type Tables, untold, untrueSilences } from './process-differences.ts'
import { createRandom } from './random.ts'
import { type HiveRecords, lookups, recompute } from './recomputation.ts'
import { readTopic } from './topic-reader.ts'

/** What the business processes made of it all. */
export interface ProcessFindings {
  readonly decisions: number
  readonly sites: number
  readonly alerts: number
  /** Alerts of devices that were silent. */
  readonly silences: number
  readonly events: number
  readonly repeatedEvents: number
  /** Moments at which hives were counted, of each place. */
  readonly moments: number
  /** Devices of which contact knows something, and hives that it found silent. */
  readonly contacts: number
  readonly silentHives: number
  /** What is not as a recomputation has it: device, and what. */
  readonly wrong: readonly string[]
}

/** A site within this of a place is that place's. Sites take in hives within 500 m. */
const AT_PLACE_METRES = 500
const MOMENTS = 100
const WAIT_MS = 60_000
const POLL_MS = 250

/**
 * Compares the tables of movement, alerts and contact with a recomputation from what is in
 * telemetry.readings, and topic `alerts` with its table. To be called once the line has settled,
 * before anything of the topic is lost; what is compared must not change any more.
 */
export async function checkProcesses({ direct, millrace }: Line, kafka: KafkaClient, seed: number): Promise<ProcessFindings> {
  await using app = await connect(direct.appUrl)
  // Devices are silent by now: an alert that is opened while it is compared would be a difference.
  await millrace('alerts', 'rules', 'remove', SILENCE_RULE[0], '--account', HIVE_ACCOUNT)
  await until('no alert is open of a rule that was removed', async () => {
    const { rowCount } = await app.query(
      'SELECT FROM alerts JOIN alert_rules r ON r.id = rule_id WHERE closed_at IS NULL AND NOT r.enabled',
    )
    return rowCount === 0
  })
  await until('the outbox is empty', async () => (await app.query('SELECT FROM outbox')).rowCount === 0)
  const contacts = createExactContacts(lookups)
  const records = await readReadings(kafka, contacts)
  await using again = await connect(await recompute(direct.appUrl, records, seed))
  const there = await tablesOf(app, seed)
  const expected = await tablesOf(again, seed)
  const told = await readAlerts(kafka)
  const events = await eventsOf(app)
  const alerted = silencesOf(events)
  const written = await readContacts(app)
  const silences = await readSilences(app, HIVES)
  return {
    decisions: there.get('movements')?.length ?? 0,
    sites: there.get('sites')?.length ?? 0,
    alerts: there.get('alerts')?.length ?? 0,
    silences: alerted.length,
    events: told.events.size,
    repeatedEvents: told.repeats,
    moments: MOMENTS,
    contacts: contacts.known.size,
    silentHives: silences.length,
    wrong: [
      ...differences(expected, there),
      ...told.wrong,
      ...untold(events, told),
      ...untrueSilences([...alerted, ...silences], records),
      ...contactDifferences(contacts.known, written),
    ],
  }
}

async function connect(url: string): Promise<pg.Client & AsyncDisposable> {
  const client = new pg.Client(url)
  client.setTypeParser(20, BigInt)
  await client.connect()
  await client.query("SET timezone = 'UTC'")
  return Object.assign(client, { [Symbol.asyncDispose]: () => client.end() })
}

async function until(what: string, holds: () => Promise<boolean>): Promise<void> {
  for (const deadline = Date.now() + WAIT_MS; !(await holds()); await delay(POLL_MS))
    if (Date.now() > deadline) throw new Error(`not within ${WAIT_MS / 1000} s: ${what}`)
}

/** Keeps the records of hives, and of all others what they say of their devices. */
async function readReadings(kafka: KafkaClient, contacts: ExactContacts): Promise<HiveRecords> {
  const hives = new Set(HIVES)
  const records: Map<number, Parameters<Parameters<typeof readTopic>[2]>[0][]> = new Map()
  await readTopic(kafka, topics.readings, (record, partition) => {
    contacts.add(record)
    if (!hives.has(record.key?.toString('latin1') ?? '')) return
    // A copy: the value is a part of a whole batch, which would stay in memory.
    const copy = { ...record, value: record.value === null ? null : Buffer.from(record.value) }
    const list = records.get(partition)
    if (list === undefined) records.set(partition, [copy])
    else list.push(copy)
  })
  return records
}

const OF_HIVES = `device_id = ANY($1)`
const QUERIES: Readonly<Record<string, string>> = {
  movements: `SELECT asset_id AS device_id, (to_jsonb(t) - 'decided_at' - 'site_id')::text AS row, site_id FROM movements t WHERE asset_id = ANY($1)`,
  movement_states: `SELECT device_id, concat(state, ' since ', since) AS row, site_id FROM movement_states WHERE ${OF_HIVES}`,
  movement_tracks: `SELECT asset_id AS device_id, to_jsonb(t)::text AS row, NULL AS site_id FROM movement_tracks t WHERE asset_id = ANY($1)`,
  assignments: `SELECT device_id, concat(account_id, ' ', valid) AS row, site_id FROM assignments WHERE ${OF_HIVES}`,
  alerts: `SELECT device_id, (to_jsonb(t) - 'id' - 'recorded_at')::text AS row, NULL AS site_id FROM alerts t
    WHERE ${OF_HIVES} AND rule_id IN (SELECT id FROM alert_rules WHERE kind <> 'silence')`,
  alert_state: `SELECT device_id, to_jsonb(t)::text AS row, NULL AS site_id FROM alert_state t WHERE ${OF_HIVES}`,
  alert_device: `SELECT device_id, to_jsonb(t)::text AS row, NULL AS site_id FROM alert_device t WHERE ${OF_HIVES}`,
}

async function tablesOf(client: pg.Client, seed: number): Promise<Tables> {
  const tables = new Map<string, readonly string[]>()
  const places = await placesOf(client)
  tables.set('sites', [...places.values()])
  for (const [table, text] of Object.entries(QUERIES)) {
    const { rows } = await client.query<{ device_id: string; row: string; site_id: bigint | null }>(text, [HIVES])
    tables.set(
      table,
      rows.map(({ device_id: device, row, site_id: site }) => `${device}: ${row}${site === null ? '' : ` at ${places.get(site)}`}`),
    )
  }
  tables.set('hives_deployed', await countsOf(client, places, seed))
  return tables
}

async function placesOf(client: pg.Client): Promise<ReadonlyMap<bigint, string>> {
  const { rows } = await client.query<{ id: bigint; latitude: number; longitude: number; kind: string }>(
    'SELECT s.id, latitude, longitude, kind FROM sites s JOIN accounts a ON a.id = account_id WHERE a.name = $1',
    [HIVE_ACCOUNT],
  )
  return new Map(
    rows.map((site) => {
      const place = PLACES.findIndex((each) => metresBetween(each, site) <= AT_PLACE_METRES)
      return [site.id, place === -1 ? `${site.latitude}, ${site.longitude}, where no hive came to rest` : `place ${place} (${site.kind})`]
    }),
  )
}

/** Hives at each place at random moments of the time in which they were moved. */
async function countsOf(client: pg.Client, places: ReadonlyMap<bigint, string>, seed: number): Promise<readonly string[]> {
  const { rows: span } = await client.query<{ first: Date | null; last: Date | null }>(
    `SELECT min(lower(valid)) AS first, max(lower(valid)) AS last FROM assignments WHERE NOT lower_inf(valid) AND ${OF_HIVES}`,
    [HIVES],
  )
  const [first, last] = [Number(span[0]?.first ?? 0), Number(span[0]?.last ?? 0)]
  const random = createRandom(seed)
  const counts: string[] = []
  for (let moment = 0; moment < MOMENTS; moment++) {
    const at = new Date(first + Math.floor(random.next() * (last - first)))
    const { rows } = await client.query<{ site_id: bigint; hives: bigint }>(
      'SELECT site_id, hives FROM hives_deployed($1) WHERE hives > 0',
      [at],
    )
    for (const { site_id: site, hives } of rows)
      if (places.has(site)) counts.push(`${hives} hives at ${places.get(site)} at ${at.toISOString()}`)
  }
  return counts
}

/** What should have been told of the alerts in the table, oldest first. */
async function eventsOf(app: pg.Client): Promise<readonly Alert[]> {
  const micros = (column: string): string => `(extract(epoch FROM ${column}) * 1000000)::bigint`
  const { rows } = await app.query<AlertRow>(
    `SELECT a.*, r.name AS rule, r.kind, r.quantity, ${micros('began_at')} AS began, ${micros('opened_at')} AS opened, ${micros('closed_at')} AS closed
     FROM alerts a JOIN alert_rules r ON r.id = a.rule_id ORDER BY opened_at, a.id`,
  )
  return rows.flatMap((row) => {
    const opened = alertOf({ ...row, closed: null, closed_value: null, closed_because: null })
    return row.closed === null ? [opened] : [opened, alertOf(row)]
  })
}
