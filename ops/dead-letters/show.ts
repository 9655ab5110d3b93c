import type { Log } from '../../connectors/contract.ts'
import type { SchemaRegistry } from '../../connectors/registry/registry.ts'
import { openSchemaDirectory } from '../../connectors/registry/schema-directory.ts'
import { setOf } from '../../processors/continuity/account.ts'
import { formatRanges } from '../../processors/continuity/ranges.ts'
import type { DeadLetter } from '../../processors/dead-letter.ts'
import type { FoundLetter } from '../../processors/letters.ts'
import { schemaFingerprint } from '../../schemas/fingerprint.ts'
import { type KnownSchemas, originalOf } from './original.ts'

/** A registry that does not answer in this time leaves the bytes undecoded. */
const REGISTRY_MS = 5_000

/** Lines for people: every field of a letter, then its original as far as it can be decoded. */
export async function showLetter(
  { topic, partition, offset, letter }: FoundLetter,
  registry: SchemaRegistry,
  log: Log,
): Promise<readonly string[]> {
  const time = (ms: number): string => new Date(ms).toISOString()
  const fields: readonly (readonly [string, string])[] = [
    ['letter', `${topic}/${partition}/${offset}`],
    ['processor', `${letter.processor} ${letter.processor_version}`],
    ['reason', letter.reason],
    ['detail', letter.detail],
    [
      'source',
      letter.source_partition < 0 ? letter.source_topic : `${letter.source_topic}/${letter.source_partition}/${letter.source_offset}`,
    ],
    ['received', time(letter.source_timestamp)],
    ['samples', letter.samples.length === 0 ? 'all' : formatRanges(setOf(letter.samples).ranges())],
    ['quantities', letter.quantities.length === 0 ? 'all' : letter.quantities.join(', ')],
    ['device', letter.key === null ? 'none' : JSON.stringify(letter.key.toString('utf8'))],
    ...recordFields(letter),
    ['attempt', String(letter.attempt)],
    ['first failed', time(letter.first_failed)],
    ['last failed', time(letter.last_failed)],
  ]
  const width = Math.max(...fields.map(([name]) => name.length))
  return [
    ...fields.map(([name, text]) => `${name.padEnd(width)}  ${text}`),
    '',
    ...originalOf(letter.value, await knownSchemas(registry, log)),
  ]
}

/** For a letter that stands for several records: which. */
function recordFields({ records, source_partition }: DeadLetter): readonly (readonly [string, string])[] {
  if (records.length === 0) return []
  const which =
    source_partition < 0 ? 'not kept' : `offsets ${formatRanges(setOf(records.map(({ offset }) => offset).sort((a, b) => a - b)).ranges())}`
  return [['records', `${records.length}: ${which}`]]
}

async function knownSchemas(registry: SchemaRegistry, log: Log): Promise<KnownSchemas> {
  const byId = new Map<number, { subject: string; json: unknown }>()
  const byFingerprint = new Map<string, { subject: string; json: unknown }>()
  try {
    await using _directory = await openSchemaDirectory({
      registry,
      prefix: '',
      log,
      signal: AbortSignal.timeout(REGISTRY_MS),
      changed: (entries) => {
        for (const { id, subject, json } of entries) {
          byId.set(id, { subject, json })
          byFingerprint.set(schemaFingerprint(json).toString('hex'), { subject, json })
        }
      },
    })
  } catch (cause) {
    log.warn('the registry does not say what the bytes are', { cause: String(cause) })
  }
  return { byId: (id) => byId.get(id), byFingerprint: (hex) => byFingerprint.get(hex) }
}
