import type { Log, SchemaMemory } from '../../connectors/contract.ts'
import { firmwareOwnSubject } from '../../connectors/registry/firmware-directory.ts'
import { fullName } from '../../connectors/registry/judge.ts'
import type { SchemaRegistry } from '../../connectors/registry/registry.ts'
import { openSchemaDirectory } from '../../connectors/registry/schema-directory.ts'
import { setOf } from '../../processors/continuity/frame-counts.ts'
import { formatRanges } from '../../processors/continuity/ranges.ts'
import type { ReasonDoc } from '../../processors/contract.ts'
import type { DeadLetter } from '../../processors/dead-letter.ts'
import type { DeclaredService } from '../../processors/declaration.ts'
import { fingerprintOf } from '../../processors/fingerprint-header.ts'
import { type FoundDeadLetter, fingerprintIn } from '../../processors/found-dead-letters.ts'
import { firmwareSubject } from '../../processors/topics.ts'
import { hasWireHeader, schemaIdOf } from '../../schemas/wire-format.ts'
import { engineReasons } from '../../services/processor/engine.ts'
import { type KnownSchema, type KnownSchemas, originalOf } from './original.ts'

/** A registry that does not answer in this time leaves the bytes undecoded. */
const REGISTRY_MS = 5_000

/** Where schemas and the meaning of reasons are looked up. */
export interface ShowSources {
  /** Services whose declarations say what their reasons mean. */
  readonly services: readonly DeclaredService[]
  readonly registry: SchemaRegistry
  readonly memory: SchemaMemory
  readonly log: Log
}

/** A dead letter in words. */
export interface DescribedDeadLetter {
  /** Its fields, each by name. */
  readonly fields: readonly (readonly [name: string, text: string])[]
  /** Lines of its original, as far as it can be decoded. */
  readonly original: readonly string[]
}

/**
 * Lines for people: every field of a dead letter, then its original as far as it can be decoded.
 */
export async function showDeadLetter(found: FoundDeadLetter, sources: ShowSources): Promise<readonly string[]> {
  const { fields, original } = await describeDeadLetter(found, sources)
  const width = Math.max(...fields.map(([name]) => name.length))
  return [...fields.map(([name, text]) => `${name.padEnd(width)}  ${text}`), '', ...original]
}

export async function describeDeadLetter(found: FoundDeadLetter, sources: ShowSources): Promise<DescribedDeadLetter> {
  const { topic, partition, offset, deadLetter } = found
  const time = (ms: number): string => new Date(ms).toISOString()
  const fields: readonly (readonly [string, string])[] = [
    ['dead letter', `${topic}/${partition}/${offset}`],
    ['processor', `${deadLetter.processor} ${deadLetter.processor_version}`],
    ['reason', deadLetter.reason],
    ...reasonFields(deadLetter, sources.services),
    ['detail', deadLetter.detail],
    [
      'source',
      deadLetter.source_partition < 0
        ? deadLetter.source_topic
        : `${deadLetter.source_topic}/${deadLetter.source_partition}/${deadLetter.source_offset}`,
    ],
    ['received', time(deadLetter.source_timestamp)],
    ['samples', deadLetter.samples.length === 0 ? 'all' : formatRanges(setOf(deadLetter.samples).ranges())],
    ['quantities', deadLetter.quantities.length === 0 ? 'all' : deadLetter.quantities.join(', ')],
    ['device', deadLetter.key === null ? 'none' : JSON.stringify(deadLetter.key.toString('utf8'))],
    ...recordFields(deadLetter),
    ['attempt', String(deadLetter.attempt)],
    ['first failed', time(deadLetter.first_failed)],
    ['last failed', time(deadLetter.last_failed)],
  ]
  return { fields, original: originalOf(deadLetter.value, await knownSchemas(found, sources)) }
}

/** As its processor declares it; nothing if the configuration has no such processor or reason. */
function reasonFields({ processor, reason }: DeadLetter, services: readonly DeclaredService[]): readonly (readonly [string, string])[] {
  const own = services.find(({ name }) => name === processor)?.reasons
  const reasons: Readonly<Record<string, ReasonDoc>> = own === undefined ? {} : { ...engineReasons, ...own }
  const doc = Object.hasOwn(reasons, reason) ? reasons[reason] : undefined
  return doc === undefined
    ? []
    : [
        ['means', doc.means],
        ['what to do', doc.whatToDo],
      ]
}

/** Says which records a dead letter stands for, if there are several. */
function recordFields({ records, source_partition }: DeadLetter): readonly (readonly [string, string])[] {
  if (records.length === 0) return []
  const which =
    source_partition < 0 ? 'not kept' : `offsets ${formatRanges(setOf(records.map(({ offset }) => offset).sort((a, b) => a - b)).ranges())}`
  return [['records', `${records.length}: ${which}`]]
}

/**
 * The schema that the dead letter's bytes were written with. Only this one is asked for, because a
 * shared registry may have many others.
 */
async function knownSchemas(
  { deadLetter: { value }, headers }: FoundDeadLetter,
  { registry, memory, log }: ShowSources,
): Promise<KnownSchemas> {
  const fingerprint =
    (value === null ? undefined : fingerprintIn(value)) ??
    fingerprintOf({ key: null, value, timestampMs: 0, offset: 0n, headers })?.toString('hex')
  try {
    const found = await (fingerprint === undefined ? schemaOf(value, registry) : firmwareOf(fingerprint, { registry, memory, log }))
    return { byId: () => found, byFingerprint: () => found }
  } catch (cause) {
    log.warn('the registry does not say what the bytes are', { cause: String(cause) })
    return { byId: () => undefined, byFingerprint: () => undefined }
  }
}

async function firmwareOf(fingerprint: string, { registry, memory, log }: Omit<ShowSources, 'services'>): Promise<KnownSchema | undefined> {
  let found: KnownSchema | undefined
  await using _directory = await openSchemaDirectory({
    registry,
    memory,
    prefix: firmwareSubject(''),
    ownSubject: firmwareOwnSubject,
    log: { ...log, info: () => undefined },
    signal: AbortSignal.timeout(REGISTRY_MS),
    changed: (known) => {
      found = known.withFingerprint(fingerprint)
    },
  })
  return found
}

async function schemaOf(value: Buffer | null, registry: SchemaRegistry): Promise<KnownSchema | undefined> {
  if (!hasWireHeader(value)) return undefined
  const found = await registry.schemaOf(schemaIdOf(value))
  if (found === undefined || found.type !== 'AVRO') return undefined
  const json: unknown = JSON.parse(found.schema)
  return { subject: fullName(json) ?? 'a schema without a name', json }
}
