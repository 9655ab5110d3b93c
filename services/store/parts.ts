import type { Log, ReadingsSink } from '../../connectors/contract.ts'
import { createReadingsSink } from '../../connectors/postgres/readings-sink.ts'
import { SHADOW } from '../../connectors/postgres/recompute-shadow.ts'
import type { KnownSchemas } from '../../connectors/registry/known-schemas.ts'
import { openSchemaDirectory, type SchemaDirectoryOptions } from '../../connectors/registry/schema-directory.ts'
import type { KafkaRecord } from '../../processors/contract.ts'
import { fingerprintOf } from '../../processors/fingerprint-header.ts'
import { createFingerprintIndex } from '../../processors/fingerprint-index.ts'
import { type LayoutLookup, layoutOf } from '../../processors/store/layouts.ts'
import { topics, valueSubject } from '../../processors/topics.ts'
import { readQuantities } from '../../schemas/files.ts'
import { hasWireHeader, schemaIdOf } from '../../schemas/wire-format.ts'
import type { Config } from '../config.ts'
import { telemetryOwner } from '../database-users.ts'
import { schemasOf } from '../lookups.ts'

/**
 * The sink that the configuration describes, of the store and of a redrive of its dead letters.
 */
export function configuredSink({ env, store }: Config, log: Log): ReadingsSink {
  const { backend, conflicts, rollups } = store
  return createReadingsSink({
    url: env.TELEMETRY_DATABASE_URL,
    ownerUrl: telemetryOwner({ env }),
    backend,
    conflicts,
    rollups: rollups === 'kept',
    quantities: readQuantities(),
    log,
  })
}

/** The sink for rows that are recomputed: by the rules of the store, into tables of their own. */
export function shadowSink(config: Config, log: Log): ReadingsSink {
  return createReadingsSink({
    url: telemetryOwner(config),
    backend: config.store.backend,
    conflicts: config.store.conflicts,
    rollups: false,
    quantities: readQuantities(),
    schema: SHADOW,
    log,
  })
}

/** The layouts of records of readings, by the schemas that the registry has. */
export interface RecordLayouts extends AsyncDisposable {
  /** Makes the answers for these records definitive, as `SchemaDirectory` does. */
  prepare(records: readonly KafkaRecord[]): Promise<void>
  layout(record: KafkaRecord): LayoutLookup
  /** Entries of the registry that do not count. */
  ignored(): number
}

/** Reads the registry once before it resolves, through outages. */
export async function openRecordLayouts(
  options: Omit<SchemaDirectoryOptions, 'prefix' | 'ownSubject' | 'changed'>,
): Promise<RecordLayouts> {
  const subject = valueSubject(topics.readings)
  let layouts: (record: KafkaRecord) => LayoutLookup = () => UNKNOWN
  const schemas = await openSchemaDirectory({
    ...options,
    prefix: subject,
    ownSubject: () => subject,
    changed: (known) => {
      layouts = layoutsOf(known)
    },
  })
  return {
    prepare: (records) => schemas.prepare(schemasOf(records)),
    layout: (record) => layouts(record),
    ignored: () => schemas.ignored(),
    [Symbol.asyncDispose]: () => schemas[Symbol.asyncDispose](),
  }
}

/** The layout of each record of readings, by its fingerprint or by its schema ID. */
function layoutsOf(known: KnownSchemas): (record: KafkaRecord) => LayoutLookup {
  const made = new Map([...known.fingerprints()].map(([hex, { json }]) => [hex, layoutOf(json)]))
  const byFingerprint = createFingerprintIndex(made)
  const byId = new Map<number, LayoutLookup>()
  for (const { id } of known.all()) {
    const found = known.withId(id)
    if (found.tag === 'known') byId.set(id, made.get(found.entry.fingerprint) ?? UNKNOWN)
    else byId.set(id, { tag: 'invalid', detail: `the registry has given the ID ${id} to schemas of different fields` })
  }
  return (record) => {
    if (!hasWireHeader(record.value)) return UNKNOWN
    const fingerprint = fingerprintOf(record)
    return (fingerprint === undefined ? byId.get(schemaIdOf(record.value)) : byFingerprint.find(fingerprint, 0)) ?? UNKNOWN
  }
}

const UNKNOWN: LayoutLookup = { tag: 'unknown' }
