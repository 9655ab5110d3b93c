import type { KafkaRecord, Output, Processor } from '../../processors/contract.ts'
import type { AnyProcessor } from '../../processors/declaration.ts'
import { avroType } from '../../schemas/avro-type.ts'
import { WIRE_BYTES } from '../../schemas/wire-format.ts'
import { DEFECT } from '../../services/processor/engine.ts'
import { differences, plainCopy, shownValue } from './differences.ts'
import { createRun, kafkaRecordsOf, type Outputs, type RecordOutcome } from './feed.ts'
import { createTestLookups, type GivenLookups } from './given-lookups.ts'
import { aDayLater } from './later-clock.ts'
import type { TestRecord } from './records.ts'

/** What a processor does that no processor may do. */
export class ProcessorCheckError extends Error {
  readonly code = 'PROCESSOR_CHECK'
  readonly transient = false
  readonly problems: readonly string[]
  constructor(problems: readonly string[]) {
    const shown = problems.slice(0, MOST_SHOWN)
    const more = problems.length > shown.length ? [`… and ${problems.length - shown.length} more`] : []
    super([`the processor does what it must not (${problems.length}):`, ...shown, ...more].join('\n  '))
    this.name = 'ProcessorCheckError'
    this.problems = problems
  }
}

const MOST_SHOWN = 20

/**
 * Feeds records to a processor, as `feed` does, and checks on the way what every processor must
 * keep to:
 * - the same record has the same outcome: again, after other records, in the reverse order, and a
 *   day later;
 * - `handle` and decoding leave the record and the input as they were;
 * - it does not throw, and emits and rejects only what it declares;
 * - what it emits is read back as it was: no value is rounded or left out by the output's schema.
 *
 * Records that the source cannot decode are outcomes like others: `undecodable`.
 * @returns what became of each record
 * @throws ProcessorCheckError with all that it found
 * @throws LookupNotGivenError if it looked up what `lookups` does not have
 */
export function checkProcessor<Item, To extends Outputs>(
  processor: Processor<Item, To>,
  records: readonly TestRecord[],
  lookups: GivenLookups = {},
): readonly RecordOutcome[] {
  const { kafkaRecords, schemas } = kafkaRecordsOf(records)
  // In order, without repeats: most problems are there for every record and every run.
  const problems = new Set<string>()
  let where = ''
  const say = (problem: string): void => void problems.add(`${where}: ${problem}`)
  const run = createRun(watched(processor as unknown as AnyProcessor, say), createTestLookups(processor, lookups, schemas))

  const outcomeOf = (record: KafkaRecord, index: number): RecordOutcome => {
    where = placeOf(record, index)
    const [key, value] = [plainCopy(record.key), plainCopy(record.value)]
    const outcome = run(record, index)
    if (!same(key, record.key) || !same(value, record.value)) {
      say('the bytes of the record were changed')
      restore(record.key, key)
      restore(record.value, value)
    }
    for (const { reason, detail } of outcome.rejected) if (reason === DEFECT) say(`it threw: ${detail}`)
    return outcome
  }

  const outcomes = kafkaRecords.map(outcomeOf)
  const compare = (what: string, again: readonly RecordOutcome[]): void => {
    for (const [index, record] of kafkaRecords.entries()) {
      where = placeOf(record, index)
      for (const { field, expected, actual } of differences(outcomes[index], again[index])) {
        say(`not deterministic: ${what}, ${field} is ${shownValue(actual)}, and was ${shownValue(expected)}`)
        break
      }
    }
  }
  compare('again', kafkaRecords.map(outcomeOf))
  const reversed: RecordOutcome[] = []
  for (let index = kafkaRecords.length - 1; index >= 0; index--) reversed[index] = outcomeOf(kafkaRecords[index] as KafkaRecord, index)
  compare('in the reverse order', reversed)
  compare(
    'a day later',
    aDayLater(() => kafkaRecords.map(outcomeOf)),
  )
  if (problems.size > 0) throw new ProcessorCheckError([...problems])
  return outcomes
}

/** The processor, with its inputs and outputs looked at on their way. */
function watched(processor: AnyProcessor, say: (problem: string) => void): AnyProcessor {
  const { from, to, handle } = processor
  // What is lent is the source's own, and is written over for the next record.
  const lends = (from as { readonly lends?: true }).lends === true
  return {
    ...processor,
    to: Object.fromEntries(Object.entries(to).map(([name, output]) => [name, readBack(name, output, say)])),
    handle: (item, lookups) => {
      if (lends) return handle(item, lookups)
      const before = plainCopy(item)
      try {
        return handle(item, lookups)
      } finally {
        for (const { field, expected, actual } of differences(before, plainCopy(item)))
          say(`handle changed its input: ${field === '' ? 'it' : field} was ${shownValue(expected)}, and is ${shownValue(actual)}`)
      }
    },
  }
}

/**
 * The output, with each value compared with what a consumer reads. An encoder that takes something
 * else than the value of the schema, as that of `readings` takes columns, is only read back.
 */
function readBack(name: string, output: Output<never>, say: (problem: string) => void): Output<never> {
  const type = avroType(output.schema.json)
  return {
    ...output,
    encoder: (schemaId, mostBytes) => {
      const encode = output.encoder(schemaId, mostBytes)
      return (value) => {
        const before = plainCopy(value)
        const encoded = encode(value)
        for (const bytes of Buffer.isBuffer(encoded) ? [encoded] : encoded) {
          let read: unknown
          try {
            read = plainCopy(type.fromBuffer(bytes.subarray(WIRE_BYTES)))
          } catch (cause) {
            say(`${name}: what it emitted cannot be read by the output's schema: ${cause instanceof Error ? cause.message : String(cause)}`)
            continue
          }
          if (!Buffer.isBuffer(encoded) || !type.isValid(value)) continue
          for (const { field, expected, actual } of differences(before, read))
            say(`${name}.${field} was emitted as ${shownValue(expected)}, and is read back as ${shownValue(actual)}`)
        }
        return encoded
      }
    },
  }
}

function placeOf({ key }: KafkaRecord, index: number): string {
  return `record ${index}${key === null ? '' : ` (${key.toString()})`}`
}

function same(before: unknown, after: unknown): boolean {
  return differences(before, after).next().done === true
}

/** So that one record's fault is not found again as another's. */
function restore(bytes: Buffer | null, before: unknown): void {
  if (bytes !== null) bytes.set(before as Uint8Array)
}
