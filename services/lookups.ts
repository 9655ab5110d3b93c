import type { Log } from '../connectors/contract.ts'
import { openDeviceDirectory } from '../connectors/postgres/device-directory.ts'
import { openFirmwareDirectory } from '../connectors/registry/firmware-directory.ts'
import type { SchemaRegistry } from '../connectors/registry/registry.ts'
import { type DeviceId, type KafkaRecord, type LookupName, type Lookups, parseDeviceId } from '../processors/contract.ts'
import { uptimeBoots } from '../processors/standardise/uptimes.ts'
import { readQuantities } from '../schemas/files.ts'
import { openBootAnchors } from './boot-anchors.ts'
import type { Config } from './config.ts'

/** What processors may look up, kept in memory and fresh. */
export interface PreparedLookups extends Lookups, AsyncDisposable {
  /** Makes the answers for these records definitive; waits through outages. */
  prepare(records: readonly KafkaRecord[]): Promise<void>
}

export interface LookupsOptions {
  readonly config: Config
  readonly registry: SchemaRegistry
  readonly needs: readonly LookupName[]
  readonly log: Log
  readonly signal: AbortSignal
}

/** Reads the registry and the app database once before it resolves, through outages. */
export async function openLookups({ config, registry, needs, log, signal }: LookupsOptions): Promise<PreparedLookups> {
  const firmwares = await openFirmwareDirectory({ registry, quantities: new Set(readQuantities().map(({ name }) => name)), log, signal })
  const devices = await openDeviceDirectory({ url: config.env.APP_DATABASE_URL, log, signal })
  const anchors = openBootAnchors({ url: config.env.APP_DATABASE_URL, log, signal })
  const firmware: Lookups['firmware'] = (schemaId) => firmwares.firmware(schemaId)
  return {
    firmware,
    assignments: (device) => devices.assignments(device),
    anchor: (device, boot) => anchors.anchor(device, boot),
    schema: (schemaId) => firmwares.schema(schemaId),
    async prepare(records) {
      if (needs.includes('firmware') || needs.includes('schema')) await firmwares.prepare(schemaIdsOf(records))
      if (needs.includes('assignments')) await devices.prepare(devicesOf(records))
      if (needs.includes('anchor')) {
        const boots = uptimeBoots(records, { firmware })
        // Strangers get none: the table must not grow with what anybody invents.
        if (boots.length > 0) await anchors.prepare(boots.filter(({ device }) => devices.assignments(device) !== undefined))
      }
    },
    async [Symbol.asyncDispose]() {
      await anchors[Symbol.asyncDispose]()
      await devices[Symbol.asyncDispose]()
      await firmwares[Symbol.asyncDispose]()
    },
  }
}

/** IDs in the registry's wire format. */
export function schemaIdsOf(records: readonly KafkaRecord[]): ReadonlySet<number> {
  const ids = new Set<number>()
  for (const { value } of records) if (value !== null && value.length >= 5 && value[0] === 0) ids.add(value.readUInt32BE(1))
  return ids
}

function devicesOf(records: readonly KafkaRecord[]): ReadonlySet<DeviceId> {
  const devices = new Set<DeviceId>()
  for (const { key } of records) {
    const device = key === null ? undefined : parseDeviceId(key.toString('latin1'))
    if (device !== undefined) devices.add(device)
  }
  return devices
}
