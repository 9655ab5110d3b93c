import type { FirmwareLookup } from '../../processors/contract.ts'
import { createFingerprintIndex, type FingerprintIndex } from '../../processors/fingerprint-index.ts'
import { firmwareSubject } from '../../processors/topics.ts'
import { parseFirmware } from '../../schemas/firmware.ts'
import { isObject } from '../../schemas/json.ts'
import { fullName } from './judge.ts'
import type { KnownSchemas, SchemaEntry } from './known-schemas.ts'
import { openSchemaDirectory, type SchemaDirectory, type SchemaDirectoryOptions } from './schema-directory.ts'

/** Every firmware in the registry: by the schema ID of its frames, and by fingerprint. */
export interface FirmwareDirectory extends SchemaDirectory {
  /**
   * The firmware that a frame was written with. The fingerprint (8 bytes, little-endian) decides if
   * there is one, because IDs may be handed out twice.
   */
  firmware(schemaId: number, fingerprint?: Buffer): FirmwareLookup
  /** By a fingerprint as hexadecimal. */
  firmwareOf(fingerprint: string): FirmwareLookup
  /** Frames whose schema ID belongs to another schema than their fingerprint. */
  wrongIds(): number
  /** All fingerprints and their schema IDs. It is another object if anything has changed. */
  fingerprints(): ReadonlyMap<string, number>
}

export interface FirmwareDirectoryOptions extends Omit<SchemaDirectoryOptions, 'prefix' | 'ownSubject' | 'changed' | 'now'> {
  /** Names of the quantities that this build knows. */
  readonly quantities: ReadonlySet<string>
}

/**
 * A firmware's schema counts under the subject of its own full name: the topic-record-name
 * strategy.
 */
export function firmwareOwnSubject(schema: unknown): string {
  return firmwareSubject(fullName(schema) ?? '')
}

export async function openFirmwareDirectory(options: FirmwareDirectoryOptions): Promise<FirmwareDirectory> {
  const { quantities, log } = options
  let lookups: ReadonlyMap<string, FirmwareLookup> = new Map()
  let index: FingerprintIndex<FirmwareLookup> = createFingerprintIndex(new Map())
  let ids: ReadonlyMap<string, number> = new Map()
  let wrongIds = 0
  const saidWrong = new Set<number>()
  const made = new Made(quantities)
  const directory = await openSchemaDirectory({
    ...options,
    prefix: firmwareSubject(''),
    ownSubject: firmwareOwnSubject,
    changed: (known) => {
      lookups = made.all(known)
      index = createFingerprintIndex(lookups)
      ids = new Map([...known.fingerprints()].map(([hex, { id }]) => [hex, id]))
      log.info('firmwares known', { fingerprints: ids.size })
    },
  })
  const byId = (schemaId: number): FirmwareLookup => {
    const found = directory.lookup(schemaId)
    switch (found.tag) {
      case 'known':
        return lookups.get(found.entry.fingerprint) ?? NOT_THERE
      case 'ambiguous':
        return { tag: 'unknown', detail: ambiguous(schemaId, found.entries) }
      case 'unknown':
        return { tag: 'unknown', detail: `the registry has no schema ${schemaId}` }
    }
  }
  const byFingerprint = (hex: string, schemaId?: number): FirmwareLookup => {
    const found = lookups.get(hex)
    if (found !== undefined) return found
    const other = schemaId === undefined ? undefined : directory.lookup(schemaId)
    const isOther =
      other?.tag === 'known' ? `; its ID ${schemaId} is ${other.entry.subject} there, fingerprint ${other.entry.fingerprint}` : ''
    return { tag: 'unknown', detail: `the registry has no schema with fingerprint ${hex}${isOther}` }
  }
  const firmware = (schemaId: number, fingerprint: Buffer): FirmwareLookup => {
    const found = index.find(fingerprint, 0)
    if (found === undefined) return byFingerprint(fingerprint.toString('hex'), schemaId)
    const other = directory.lookup(schemaId)
    if (other.tag === 'known' && lookups.get(other.entry.fingerprint) !== found) {
      wrongIds++
      if (!saidWrong.has(schemaId) && saidWrong.size < MOST_SAID) {
        saidWrong.add(schemaId)
        log.error('frames carry the ID of another schema than they were written with: their fingerprint decides', {
          schemaId,
          fingerprint: fingerprint.toString('hex'),
          registered: other.entry.subject,
        })
      }
    }
    return found
  }
  return Object.assign(directory, {
    firmware: (schemaId: number, fingerprint?: Buffer) => (fingerprint === undefined ? byId(schemaId) : firmware(schemaId, fingerprint)),
    firmwareOf: (hex: string) => byFingerprint(hex),
    wrongIds: () => wrongIds,
    fingerprints: () => ids,
  })
}

/** Most IDs that the log names: a producer that makes up IDs must not fill it. */
const MOST_SAID = 1_000
const NOT_THERE: FirmwareLookup = { tag: 'unknown' }

function ambiguous(id: number, entries: readonly SchemaEntry[]): string {
  const names = entries.map(({ subject, fingerprint }) => `${subject} (fingerprint ${fingerprint})`)
  return `the registry has given the ID ${id} to ${names.join(' and ')}, and the record does not say which it was written with`
}

/**
 * What was made of schemas. An unchanged schema keeps its object, and so the converter that was
 * made for it.
 */
class Made {
  private readonly quantities: ReadonlySet<string>
  private made = new Map<string, { readonly writer: SchemaEntry; readonly newest: SchemaEntry; readonly lookup: FirmwareLookup }>()

  constructor(quantities: ReadonlySet<string>) {
    this.quantities = quantities
  }

  /** A lookup for each fingerprint. */
  all(known: KnownSchemas): ReadonlyMap<string, FirmwareLookup> {
    const now: typeof this.made = new Map()
    for (const [fingerprint, writer] of known.fingerprints()) {
      const newest = known.newestOf(writer.subject) ?? writer
      const before = this.made.get(fingerprint)
      const isSame = before !== undefined && before.writer.text === writer.text && before.newest.text === newest.text
      now.set(fingerprint, isSame ? before : { writer, newest, lookup: readFirmware(writer, newest, this.quantities) })
    }
    this.made = now
    return new Map([...now].map(([fingerprint, { lookup }]) => [fingerprint, lookup]))
  }
}

/**
 * How frames of a writer must be read: by the writer's own fields, with the attributes of its
 * subject's newest version. So a corrected conversion holds for frames that were written before it.
 */
export function readFirmware(writer: SchemaEntry, newest: SchemaEntry, quantities: ReadonlySet<string>): FirmwareLookup {
  try {
    return { tag: 'known', firmware: parseFirmware(withAttributes(writer.json, newest.json), quantities) }
  } catch (cause) {
    return { tag: 'invalid', detail: `${writer.subject}: ${cause instanceof Error ? cause.message : String(cause)}` }
  }
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
