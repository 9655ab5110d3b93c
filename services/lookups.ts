import type { Log } from '../connectors/contract.ts'
import { openDeviceDirectory } from '../connectors/postgres/device-directory.ts'
import { type AllRows, openLookupTables } from '../connectors/postgres/lookup-tables.ts'
import { openFirmwareDirectory } from '../connectors/registry/firmware-directory.ts'
import { createRegistry } from '../connectors/registry/registry.ts'
import { openSchemaDirectory, type Wanted } from '../connectors/registry/schema-directory.ts'
import { type DeviceId, type KafkaRecord, type LookupName, type Lookups, parseDeviceId, type Source } from '../processors/contract.ts'
import { fingerprintOf } from '../processors/fingerprint-header.ts'
import type { LookupTables } from '../processors/lookup-table.ts'
import { uptimeBoots } from '../processors/standardise/uptimes.ts'
import { daysOfYears } from '../processors/time-bounds.ts'
import { valueSubject } from '../processors/topics.ts'
import type { CompiledDialect } from '../processors/translate/translation.ts'
import { hasWireHeader, schemaIdOf } from '../schemas/wire-format.ts'
import { type NewAnchors, openBootAnchors } from './boot-anchors.ts'
import type { Config } from './config.ts'
import { type DialectSource, openDialects } from './dialects.ts'
import { firmwareOptions, schemaWatch } from './schema-registry.ts'
import type { Health } from './service.ts'

/** What processors may look up, kept in memory and fresh. */
export interface PreparedLookups extends Lookups, AsyncDisposable {
  /**
   * The rows of declared tables, as they were prepared last. It is another object after a change:
   * a copy of these look-ups keeps the rows as they were.
   */
  readonly table: AllRows
  /** Makes the answers for these records definitive; waits through outages. */
  prepare(records: readonly KafkaRecord[]): Promise<void>
  /**
   * Devices that `assignments` was asked for since the last call, and that are unknown though the
   * database was not asked: only the message itself names them. Forgets them.
   */
  unsure(): ReadonlySet<DeviceId>
  /** Makes the answers for these devices definitive; waits through outages. */
  settle(devices: ReadonlySet<DeviceId>): Promise<void>
  /** Those that are loaded, in the order of the configuration. */
  dialects(): readonly CompiledDialect[]
  /** What one of them was made of. */
  dialectSource(dialect: CompiledDialect): DialectSource | undefined
  /** Entries of the registry that do not count. */
  ignored(): number
  /** Frames whose schema ID belongs to another schema than their fingerprint. */
  wrongIds(): number
}

/** Most devices that are asked for after a batch. Those that are more are unknown for a second. */
const MOST_UNSURE = 10_000

/** Of a processor or a business process. */
export interface LookedUp {
  readonly from: Pick<Source<unknown>, 'topic'>
  readonly needs: readonly LookupName[]
  readonly tables?: LookupTables
}

export interface LookupsOptions {
  readonly config: Config
  readonly log: Log
  readonly signal: AbortSignal
  /**
   * Given for a service: it reports there what it waits for, and it waits for the registry for a
   * bounded time.
   */
  readonly health?: Health
  /**
   * Nothing is written: no anchor of a boot, and no schema into the memory of schemas. False if
   * absent.
   */
  readonly readOnly?: boolean
  /** Of boots that have no anchor yet. Absent: presumed if nothing is written, else written. */
  readonly anchors?: NewAnchors
}

/**
 * Opens only what is needed. Schemas are those of the source's topic. Before it resolves it reads
 * the registry and the app database once, through outages.
 */
export async function openLookups({ from, needs, tables: declared = {} }: LookedUp, options: LookupsOptions): Promise<PreparedLookups> {
  const { config, log, signal, health, readOnly, anchors: newAnchors = readOnly === true ? 'presumed' : 'written' } = options
  const watch = health === undefined ? {} : schemaWatch(health)
  const needsAny = (...names: readonly LookupName[]): boolean => names.some((name) => needs.includes(name))
  const subject = valueSubject(from.topic)
  // First of all: if one is not as declared, nothing else is open yet.
  const tables =
    Object.keys(declared).length === 0
      ? undefined
      : await openLookupTables({
          url: config.env.APP_DATABASE_URL,
          tables: declared,
          log,
          signal,
          ...(health === undefined ? {} : { problem: (what: string | null) => health.set('tables', what) }),
        })
  const firmwares = needsAny('firmware', 'anchor')
    ? await openFirmwareDirectory({ ...firmwareOptions(config, log, signal, readOnly), ...watch })
    : undefined
  const schemas = needsAny('schema')
    ? await openSchemaDirectory({
        registry: createRegistry(config.env.REGISTRY_URL),
        prefix: subject,
        ownSubject: () => subject,
        log,
        signal,
        ...watch,
      })
    : undefined
  const problem = health === undefined ? {} : { problem: (what: string | null) => health.set('devices', what) }
  const devices = needsAny('assignments', 'anchor', 'speaksFor')
    ? await openDeviceDirectory({ url: config.env.APP_DATABASE_URL, log, signal, gateways: needsAny('speaksFor'), ...problem })
    : undefined
  const anchors = needsAny('anchor') ? openBootAnchors({ url: config.env.APP_DATABASE_URL, log, signal, missing: newAnchors }) : undefined
  const firmware: Lookups['firmware'] = (schemaId, fingerprint) => firmwares?.firmware(schemaId, fingerprint) ?? { tag: 'unknown' }
  let unsure = new Set<DeviceId>()
  const assignments: Lookups['assignments'] = (device) => {
    const found = devices?.assignments(device)
    if (found === undefined && unsure.size < MOST_UNSURE && devices?.unsure(device)) unsure.add(device)
    return found
  }
  const dialects = needsAny('dialect')
    ? await openDialects({ config, log, ...(health === undefined ? {} : { problem: (what) => health.set('dialects', what) }) })
    : undefined
  return {
    firmware,
    assignments,
    speaksFor: (gateway, device) => devices?.speaksFor(gateway, device) ?? false,
    dialect: (topic) => dialects?.find(topic),
    dialects: () => dialects?.current() ?? [],
    dialectSource: (dialect) => dialects?.source(dialect),
    anchor: (device, boot) => anchors?.anchor(device, boot) ?? Number.NaN,
    schema: (schemaId, fingerprint) => schemas?.schema(schemaId, fingerprint),
    get table() {
      return tables?.rows ?? {}
    },
    unsure() {
      const taken = unsure
      unsure = new Set()
      return taken
    },
    settle: async (names) => devices?.prepare(names),
    async prepare(records) {
      unsure.clear()
      if (firmwares !== undefined || schemas !== undefined) {
        const wanted = schemasOf(records)
        await firmwares?.prepare(wanted)
        await schemas?.prepare(wanted)
      }
      await devices?.prepare(devicesOf(records))
      if (anchors !== undefined) {
        const boots = uptimeBoots(records, { firmware })
        // Unknown devices get no anchor: the table must not grow with names that anybody invents.
        if (boots.length > 0) await anchors.prepare(boots.filter(({ device }) => assignments(device) !== undefined))
      }
      await tables?.prepare()
    },
    oldestDays: daysOfYears(config.time.oldest_years),
    ignored: () => (firmwares?.ignored() ?? 0) + (schemas?.ignored() ?? 0),
    wrongIds: () => firmwares?.wrongIds() ?? 0,
    async [Symbol.asyncDispose]() {
      await dialects?.[Symbol.asyncDispose]()
      await anchors?.[Symbol.asyncDispose]()
      await devices?.[Symbol.asyncDispose]()
      await schemas?.[Symbol.asyncDispose]()
      await firmwares?.[Symbol.asyncDispose]()
      await tables?.[Symbol.asyncDispose]()
    },
  }
}

/**
 * What records carry about their schemas: the fingerprint, or the ID of the wire format if there is
 * none.
 */
export function schemasOf(records: readonly KafkaRecord[]): Wanted {
  const ids = new Set<number>()
  const fingerprints = new Set<string>()
  let last: KafkaRecord['headers']
  for (const record of records) {
    const { value, headers } = record
    // Records of one schema share their headers.
    if (headers !== undefined && headers === last) continue
    const fingerprint = fingerprintOf(record)
    last = fingerprint === undefined ? undefined : headers
    if (fingerprint !== undefined) fingerprints.add(fingerprint.toString('hex'))
    else if (hasWireHeader(value)) ids.add(schemaIdOf(value))
  }
  return { ids, fingerprints }
}

function devicesOf(records: readonly KafkaRecord[]): ReadonlySet<DeviceId> {
  const devices = new Set<DeviceId>()
  for (const { key } of records) {
    const device = key === null ? undefined : parseDeviceId(key.toString('latin1'))
    if (device !== undefined) devices.add(device)
  }
  return devices
}
