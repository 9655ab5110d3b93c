import type { Log } from '../connectors/contract.ts'
import { openDeviceDirectory } from '../connectors/postgres/device-directory.ts'
import { openFirmwareDirectory } from '../connectors/registry/firmware-directory.ts'
import type { Wanted } from '../connectors/registry/schema-directory.ts'
import { type DeviceId, type KafkaRecord, type LookupName, type Lookups, parseDeviceId } from '../processors/contract.ts'
import { fingerprintOf } from '../processors/fingerprint-header.ts'
import { uptimeBoots } from '../processors/standardise/uptimes.ts'
import { hasWireHeader, schemaIdOf } from '../schemas/wire-format.ts'
import { openBootAnchors } from './boot-anchors.ts'
import type { Config } from './config.ts'
import { firmwareOptions, schemaWatch } from './schema-registry.ts'
import type { Health } from './service.ts'

/** What processors may look up, kept in memory and fresh. */
export interface PreparedLookups extends Lookups, AsyncDisposable {
  /** Makes the answers for these records definitive; waits through outages. */
  prepare(records: readonly KafkaRecord[]): Promise<void>
  /** Entries of the registry that do not count. */
  ignored(): number
  /** Frames whose schema ID is another schema's than their fingerprint says. */
  wrongIds(): number
}

export interface LookupsOptions {
  readonly config: Config
  readonly needs: readonly LookupName[]
  readonly log: Log
  readonly signal: AbortSignal
  /** Of a service: what it waits for is told there, and it waits for the registry only so long. */
  readonly health?: Health
}

/** Reads the registry and the app database once before it resolves, through outages. */
export async function openLookups(options: LookupsOptions): Promise<PreparedLookups> {
  const { config, needs, log, signal, health } = options
  const watch = health === undefined ? {} : schemaWatch(health)
  const firmwares = await openFirmwareDirectory({ ...firmwareOptions(config, log, signal), ...watch })
  const problem = health === undefined ? {} : { problem: (what: string | null) => health.set('devices', what) }
  const devices = await openDeviceDirectory({ url: config.env.APP_DATABASE_URL, log, signal, ...problem })
  const anchors = openBootAnchors({ url: config.env.APP_DATABASE_URL, log, signal })
  const firmware: Lookups['firmware'] = (schemaId, fingerprint) => firmwares.firmware(schemaId, fingerprint)
  return {
    firmware,
    assignments: (device) => devices.assignments(device),
    anchor: (device, boot) => anchors.anchor(device, boot),
    schema: (schemaId, fingerprint) => firmwares.schema(schemaId, fingerprint),
    async prepare(records) {
      if (needs.includes('firmware') || needs.includes('schema')) await firmwares.prepare(schemasOf(records))
      if (needs.includes('assignments')) await devices.prepare(devicesOf(records))
      if (needs.includes('anchor')) {
        const boots = uptimeBoots(records, { firmware })
        // Strangers get none: the table must not grow with what anybody invents.
        if (boots.length > 0) await anchors.prepare(boots.filter(({ device }) => devices.assignments(device) !== undefined))
      }
    },
    ignored: () => firmwares.ignored(),
    wrongIds: () => firmwares.wrongIds(),
    async [Symbol.asyncDispose]() {
      await anchors[Symbol.asyncDispose]()
      await devices[Symbol.asyncDispose]()
      await firmwares[Symbol.asyncDispose]()
    },
  }
}

/**
 * What records carry of their schemas: the fingerprint, or the ID in the wire format where they
 * have none.
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
