import type { FirmwareLookup } from '../../processors/contract.ts'
import { firmwareSubject } from '../../processors/topics.ts'
import { schemaFingerprint } from '../../schemas/fingerprint.ts'
import { parseFirmware } from '../../schemas/firmware.ts'
import { isObject } from '../../schemas/json.ts'
import type { Log } from '../contract.ts'
import type { SchemaRegistry } from './registry.ts'
import { type DirectoryEntry, openSchemaDirectory, type SchemaDirectory } from './schema-directory.ts'

/** Every firmware in the registry: by the schema ID of its frames, and by fingerprint. */
export interface FirmwareDirectory extends SchemaDirectory {
  firmware(schemaId: number): FirmwareLookup
  /** Schema ID of the newest version with this fingerprint (8 bytes, little-endian, as hexadecimal). */
  schemaIdOf(fingerprintHex: string): number | undefined
  /** All fingerprints and their schema IDs. */
  fingerprints(): ReadonlyMap<string, number>
}

export interface FirmwareDirectoryOptions {
  readonly registry: SchemaRegistry
  /** Names of the quantities that this build knows. */
  readonly quantities: ReadonlySet<string>
  readonly log: Log
  readonly signal: AbortSignal
}

export async function openFirmwareDirectory({ registry, quantities, log, signal }: FirmwareDirectoryOptions): Promise<FirmwareDirectory> {
  let lookups: ReadonlyMap<number, FirmwareLookup> = new Map()
  let ids: ReadonlyMap<string, number> = new Map()
  let texts = ''
  const directory = await openSchemaDirectory({
    registry,
    prefix: firmwareSubject(''),
    log,
    signal,
    changed: (entries) => {
      // Unchanged schemas keep their objects, and with them the converters that were made for them.
      const now = JSON.stringify(entries)
      if (now === texts) return
      texts = now
      lookups = readFirmwares(entries, quantities)
      ids = new Map(entries.map(({ json, id }) => [schemaFingerprint(json).toString('hex'), id]))
      log.info('firmwares known', { schemas: lookups.size, fingerprints: ids.size })
    },
  })
  return {
    ...directory,
    firmware: (schemaId) => lookups.get(schemaId) ?? { tag: 'unknown' },
    schemaIdOf: (fingerprint) => ids.get(fingerprint),
    fingerprints: () => ids,
  }
}

/**
 * Each version as its frames must be read: its own fields, with the attributes of its subject's newest version, so that a corrected conversion
 * holds for frames that were written before it.
 */
export function readFirmwares(entries: readonly DirectoryEntry[], quantities: ReadonlySet<string>): ReadonlyMap<number, FirmwareLookup> {
  const newest = new Map<string, DirectoryEntry>()
  for (const entry of entries) {
    const known = newest.get(entry.subject)
    if (known === undefined || entry.version > known.version) newest.set(entry.subject, entry)
  }
  return new Map(
    entries.map(({ id, subject, json }): readonly [number, FirmwareLookup] => {
      try {
        return [id, { tag: 'known', firmware: parseFirmware(withAttributes(json, newest.get(subject)?.json), quantities) }]
      } catch (cause) {
        return [id, { tag: 'invalid', detail: `${subject}: ${cause instanceof Error ? cause.message : String(cause)}` }]
      }
    }),
  )
}

/** The writer's fields, each with the attributes that the newest schema has for its name. */
function withAttributes(writer: unknown, newest: unknown): unknown {
  if (!isObject(writer) || !isObject(newest) || !Array.isArray(writer.fields) || !Array.isArray(newest.fields)) return writer
  const attributes = new Map(newest.fields.filter(isObject).map((field) => [field.name, field]))
  return {
    ...writer,
    fields: writer.fields.map((field: unknown) => {
      const current = isObject(field) ? attributes.get(field.name) : undefined
      return isObject(field) && current !== undefined ? { ...current, name: field.name, type: field.type } : field
    }),
  }
}
