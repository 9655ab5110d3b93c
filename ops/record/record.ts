import { existsSync, mkdirSync, readdirSync, renameSync, rmSync } from 'node:fs'
import { dirname, resolve } from 'node:path'
import type { Log } from '../../connectors/contract.ts'
import { differences } from '../../kit/testing/differences.ts'
import { createRun, feed, type RecordOutcome } from '../../kit/testing/feed.ts'
import type { GivenDialect, GivenLookups } from '../../kit/testing/given-lookups.ts'
import { GoldenFolderError, goldenOutcomes, readGolden, writeExpected, writeGoldenInput } from '../../kit/testing/golden-folder.ts'
import type { RecordContent, TestRecord } from '../../kit/testing/records.ts'
import type { KafkaRecord, RecordHeaders } from '../../processors/contract.ts'
import type { AnyProcessor, DeclaredProcessor } from '../../processors/declaration.ts'
import { FINGERPRINT_HEADER } from '../../processors/fingerprint-header.ts'
import { PART_HEADER } from '../../processors/part-header.ts'
import type { CompiledDialect } from '../../processors/translate/translation.ts'
import { hasWireHeader, schemaIdOf, WIRE_BYTES } from '../../schemas/wire-format.ts'
import { type Config, ConfigError } from '../../services/config.ts'
import { declaredService } from '../../services/declared.ts'
import { kafkaClient } from '../../services/kafka.ts'
import { openLookups, type PreparedLookups } from '../../services/lookups.ts'
import { mergedDialects, mergedLookups, RecordedLookups } from './recorded-lookups.ts'
import { readSpan } from './span.ts'

export interface RecordOptions {
  readonly config: Config
  readonly processor: DeclaredProcessor
  readonly devices: ReadonlySet<string>
  /** Received at or after this: milliseconds since 1970. */
  readonly fromMs: number
  /** Received before this. */
  readonly toMs: number
  /** Most records: the earliest are taken. */
  readonly most: number
  /** A folder that is not there yet, or is empty. */
  readonly into: string
  readonly log: Log
  readonly signal: AbortSignal
}

/** What was recorded. */
export interface Recording {
  /** Records of these devices in the span. Nothing is written if there are none that may be. */
  readonly found: number
  readonly recorded: number
  /** Records that are about other devices as well, and so were left out. */
  readonly others: number
  readonly outputs: number
  readonly dropped: number
  readonly deadLetters: number
}

/**
 * The processor that is to be recorded.
 * @throws ConfigError if there is none of that name, or it is none that has golden folders
 */
export async function recordable(config: Config, name: string): Promise<DeclaredProcessor> {
  const service = await declaredService(config, name)
  if (service.kind === 'process')
    throw new ConfigError(
      `${name} is a business process: what it makes of its input depends on the rows that are there, which a golden folder does not have. Test it on a database with tryProcess (docs/testing-processors.md); \`millrace shadow ${name}\` says what it would change over a past slice of its topic`,
    )
  if (service.kind !== 'processor') throw new ConfigError(`${name} is no processor: golden folders are for processors`)
  return service
}

/** @throws ConfigError if the folder has something in it: a golden folder is never written over */
export function requireFree(into: string): void {
  if (existsSync(into) && readdirSync(into).length > 0)
    throw new ConfigError(`--into: ${into} is not empty: expected a folder that is not there yet`)
}

/**
 * Takes a golden folder from the real topic of a processor: records of some devices, what the
 * processor as it is now looks up for them, and what it makes of them. It reads without a trace,
 * and writes nothing but the folder: all of it, or nothing. What is in the folder is about these
 * devices alone: a record that has something to say of another one is left out, and of headers only
 * Millrace's own are kept.
 */
export async function record(options: RecordOptions): Promise<Recording> {
  const { config, processor: declared, devices, into, log, signal } = options
  const { processor } = declared
  requireFree(into)
  const kafka = kafkaClient(config, 'millrace-record', log)
  const { records, found } = await readSpan({ ...options, kafka, topic: processor.from.topic })
  const nothing = { found, recorded: 0, others: 0, outputs: 0, dropped: 0, deadLetters: 0 }
  if (records.length === 0) return nothing
  await using lookups = await openLookups(processor, { config, log, signal, readOnly: true })
  const { taken, others } = await take(processor, lookups, records, devices)
  if (taken.length === 0) return { ...nothing, others }
  const merged = mergedLookups(taken.map((each) => each.lookups))
  const golden = {
    records: taken.map((each) => each.record),
    lookups: processor.needs.includes('dialect') ? { ...merged, dialects: mergedDialects(taken.map((each) => each.dialects)) } : merged,
  }
  const outcomes = taken.map(({ outcome }) => outcome)
  writeFolder(into, (folder) => {
    try {
      writeGoldenInput(folder, golden)
    } catch (cause) {
      // A registry that was restored may have given an ID twice.
      if (cause instanceof GoldenFolderError)
        throw new ConfigError(`these records cannot be recorded together: ${cause.message}`, { cause })
      throw cause
    }
    const lines = goldenOutcomes(processor.to, outcomes)
    writeExpected(folder, golden.records, lines)
    // The folder must give what the line gave, or it is no test of it.
    const again = readGolden(folder)
    const [difference] = differences(lines, goldenOutcomes(processor.to, feed(processor, again.records, again.lookups)))
    if (difference !== undefined)
      throw new Error(
        `the recorded folder gives something else than the line: ${difference.field}; a processor that is not deterministic cannot be recorded`,
      )
  })
  const sum = (of: (outcome: RecordOutcome) => number): number => outcomes.reduce((total, outcome) => total + of(outcome), 0)
  return {
    found,
    recorded: taken.length,
    others,
    outputs: sum(({ emitted }) => emitted.length),
    dropped: sum(({ dropped }) => Object.values(dropped).reduce((total, times) => total + times, 0)),
    deadLetters: sum(({ rejected }) => rejected.length),
  }
}

interface Taken {
  readonly record: TestRecord
  readonly lookups: GivenLookups
  readonly dialects: ReadonlyMap<number, GivenDialect>
  readonly outcome: RecordOutcome
}

/** Runs the processor over the records, with what the line looks up now. */
async function take(
  processor: AnyProcessor,
  lookups: PreparedLookups,
  records: readonly KafkaRecord[],
  devices: ReadonlySet<string>,
): Promise<{ readonly taken: readonly Taken[]; readonly others: number }> {
  await lookups.prepare(records)
  // A table that changes meanwhile is that of the preparation for all records.
  const recorded = new RecordedLookups({ ...lookups }, ({ dialect }) => {
    const source = lookups.dialectSource(dialect as CompiledDialect)
    const place = lookups.dialects().indexOf(dialect as CompiledDialect)
    return source === undefined ? undefined : { place, given: { text: source.text, ...source.site } }
  })
  let about: (Buffer | undefined)[] = []
  const run = createRun(
    noting(processor, (device) => about.push(device)),
    { lookups: recorded.lookups },
  )
  // Which devices a message names, the processor finds out by a run whose result nobody takes.
  records.forEach(run)
  await lookups.settle(lookups.unsure())
  recorded.take()
  const taken: Taken[] = []
  let others = 0
  for (const [index, record] of records.entries()) {
    about = []
    const outcome = run(record, index)
    const { lookups: own, schemas, dialects } = recorded.take()
    const named = [
      ...about.map((device) => device?.toString()),
      ...Object.keys(own.assignments ?? {}),
      ...Object.keys(own.anchors ?? {}),
      ...Object.keys(own.speaksFor ?? {}),
      ...Object.values(own.speaksFor ?? {}).flat(),
    ]
    if (named.every((name) => name === undefined || devices.has(name)))
      taken.push({ record: testRecord(record, schemas), lookups: own, dialects, outcome })
    else others++
  }
  return { taken, others }
}

/** The processor; what its outcomes are about is noted, if they say so. */
function noting(processor: AnyProcessor, note: (device: Buffer | undefined) => void): AnyProcessor {
  return {
    ...processor,
    handle: (item, lookups) => {
      const outcomes = processor.handle(item, lookups)
      for (const outcome of 'tag' in outcomes ? [outcomes] : outcomes) {
        if (outcome.tag === 'emit') note(outcome.key)
        else if (outcome.tag === 'reject') note(outcome.about)
      }
      return outcomes
    },
  }
}

function testRecord({ key, value, timestampMs, headers }: KafkaRecord, schemas: ReadonlyMap<number, unknown>): TestRecord {
  const kept = headers?.filter(({ name }) => OWN_HEADERS.has(name)) ?? []
  return {
    key: key?.toString() ?? null,
    timestampMs,
    ...(kept.length === 0 ? {} : { headers: kept as RecordHeaders }),
    content: contentOf(value, schemas),
  }
}

/** Another producer's may carry anything, a token for one. */
const OWN_HEADERS: ReadonlySet<string> = new Set([FINGERPRINT_HEADER, PART_HEADER])

function contentOf(value: Buffer | null, schemas: ReadonlyMap<number, unknown>): RecordContent {
  const id = hasWireHeader(value) ? schemaIdOf(value) : undefined
  const json = id === undefined ? undefined : schemas.get(id)
  if (value === null || id === undefined || json === undefined) return { tag: 'bytes', bytes: value }
  return { tag: 'datum', schema: { id, json }, datum: value.subarray(WIRE_BYTES) }
}

/** All of the folder, or nothing: it gets its name when it is complete. */
function writeFolder(into: string, write: (folder: string) => void): void {
  const part = `${resolve(into)}.part-${process.pid}`
  mkdirSync(dirname(part), { recursive: true })
  try {
    write(part)
    renameSync(part, into)
  } finally {
    rmSync(part, { recursive: true, force: true })
  }
}
