import { setTimeout as delay } from 'node:timers/promises'
import type { ConsumedBatch } from '../../connectors/contract.ts'
import type { Outcome, Settled, SettledLetter } from '../../connectors/postgres/redrive-log.ts'
import type { OutgoingRecord, Rejection } from '../../processors/contract.ts'
import type { DeadLetter, DeadLetterCodec, DeadRecord } from '../../processors/dead-letter.ts'
import { encodeWithin } from '../../processors/letter-writer.ts'
import { type FoundLetter, failedAgain, identity, type LetterFilter, matches, ownRejections } from '../../processors/letters.ts'
import type { Originals } from './originals.ts'
import type { RedriveReport } from './report.ts'
import type { Attempt, RedriveWay } from './way.ts'

export interface RedriveRunOptions {
  readonly way: RedriveWay
  readonly deadLetters: DeadLetterCodec
  readonly version: string
  readonly filter: LetterFilter
  /** Letters that have failed so often are left alone. */
  readonly maxAttempts: number
  /** Letters that earlier runs settled. */
  readonly settled: Settled
  /** The records that a letter is about. */
  readonly originals: (found: FoundLetter) => Promise<Originals>
  /** Largest letter that its topic takes. */
  readonly letterBytes: number
  /** Letters a second; null for as fast as it goes. */
  readonly rate: number | null
  /** Says what would happen, and changes nothing. */
  readonly dryRun: boolean
  /** Resolves once Kafka has the letters of what failed again. */
  readonly publish: (letters: readonly OutgoingRecord[]) => Promise<void>
  /** Resolves once it is written down that no run needs to see these letters again. */
  readonly settle: (letters: readonly SettledLetter[]) => Promise<void>
  readonly report: RedriveReport
  /** Ends the run after the letters that are under way. */
  readonly stopping: AbortSignal
}

/** A letter that is under way, and what it is about as the processor sees it. */
interface Taken {
  readonly found: FoundLetter
  readonly originals: readonly FoundLetter[]
}

/** Letters that are under way together. */
const CHUNK_LETTERS = 500
const CHUNK_BYTES = 4 << 20
/** Letters whose identity is remembered: a service that was killed writes the same ones again soon. */
const REMEMBERED = 1_000_000

/**
 * Takes the letters of a topic, as scanned, and runs the chosen ones through their processor. First the outputs, then the letters of what failed
 * again, then the note that the old ones are settled: a run that is killed at any point has lost nothing, and the next one does at most one chunk
 * again, of which outputs are repeats by key and letters are recognised as the same.
 */
export function createRedriveRun(options: RedriveRunOptions): (batch: ConsumedBatch) => Promise<void> {
  const { way, deadLetters, filter, report, stopping, rate } = options
  const chunkLetters = rate === null ? CHUNK_LETTERS : Math.max(1, Math.min(CHUNK_LETTERS, Math.ceil(rate / 2)))
  /** Letters that are settled, or about to be. */
  const done = new Set<string>()

  function remember(name: string): void {
    done.add(name)
    if (done.size <= REMEMBERED) return
    for (const oldest of done) {
      done.delete(oldest)
      break
    }
  }

  /** Whether the letter is to be redriven; if not, it is counted. */
  function chosen(found: FoundLetter): 'redrive' | 'repeat' | 'leave' {
    const { partition, offset, letter } = found
    const name = identity(found)
    if (options.settled.get(partition)?.has(offset)) {
      remember(name)
      report.settledBefore++
      return 'leave'
    }
    if (!matches(letter, filter)) {
      report.filteredOut++
      return 'leave'
    }
    if (letter.attempt >= options.maxAttempts) {
      report.atCap++
      return 'leave'
    }
    if (letter.value === null && (letter.records.length === 0 || letter.source_partition < 0)) {
      report.withoutBytes++
      return 'leave'
    }
    if (done.has(name)) {
      report.repeat(letter.reason)
      return 'repeat'
    }
    remember(name)
    return 'redrive'
  }

  async function work(chunk: readonly Taken[], repeats: readonly FoundLetter[]): Promise<void> {
    const began = performance.now()
    const seen = chunk.flatMap(({ originals }) => originals)
    const attempts = seen.length === 0 ? [] : await (options.dryRun ? way.rehearse(seen) : way.attempt(seen))
    if (attempts.length !== seen.length) throw new RangeError(`${seen.length} letters gave ${attempts.length} attempts`)
    const nowMs = Date.now()
    const letters: OutgoingRecord[] = []
    const settled: SettledLetter[] = repeats.map(({ partition, offset }) => ({ partition, offset, outcome: 'repeat' }))
    let next = 0
    for (const { found, originals } of chunk) {
      const own = attempts.slice(next, next + originals.length)
      next += originals.length
      const again = lettersAgain(found, originals, own, nowMs, options.version)
      const outputs = own.reduce((sum, attempt) => sum + attempt.outputs, 0)
      const outcome = outcomeOf(outputs, own.find(({ dropped }) => dropped !== null)?.dropped ?? null, again.length)
      settled.push({ partition: found.partition, offset: found.offset, outcome })
      report.attempted(found.letter.reason, outcome, outputs, again)
      for (const letter of again) {
        letters.push({
          topic: found.topic,
          key: letter.key,
          value: encodeWithin(options.letterBytes, letter, deadLetters),
          timestampMs: nowMs,
          headers: letter.records.length === 0 ? found.headers : undefined,
        })
      }
    }
    if (options.dryRun) return
    if (letters.length > 0) await options.publish(letters)
    await options.settle(settled)
    if (rate !== null) await delay(Math.max(0, (1000 * seen.length) / rate - (performance.now() - began)), undefined, { signal: stopping })
  }

  return async ({ topic, partition, records: batch }) => {
    let chunk: Taken[] = []
    let repeats: FoundLetter[] = []
    let [records, bytes] = [0, 0]
    const flush = async (): Promise<void> => {
      stopping.throwIfAborted()
      const now = [chunk, repeats] as const
      chunk = []
      repeats = []
      records = 0
      bytes = 0
      if (now[0].length + now[1].length > 0) await work(...now)
    }
    for (const { offset, value, headers } of batch) {
      const letter = value === null ? undefined : decoded(deadLetters, value)
      if (letter === undefined) {
        report.unreadable++
        continue
      }
      const found = { topic, partition, offset, letter, headers }
      const choice = chosen(found)
      if (choice === 'leave') continue
      if (choice === 'repeat') repeats.push(found)
      else {
        const { letters: originals, gone } = await options.originals(found)
        report.gone += gone
        // Nothing came of it, so it is not settled either; Kafka will delete it soon, as it has its records.
        if (originals.length === 0) continue
        chunk.push({ found, originals })
        records += originals.length
        for (const each of originals) bytes += each.letter.value?.length ?? 0
      }
      if (records >= chunkLetters || bytes >= CHUNK_BYTES) await flush()
    }
    await flush()
  }
}

/** The letter; undefined where the bytes are none: something else wrote to the topic. */
export function decoded(codec: DeadLetterCodec, bytes: Buffer): DeadLetter | undefined {
  try {
    return codec.decode(bytes)
  } catch (cause) {
    if (cause instanceof Error) return undefined
    throw cause
  }
}

/** What failed again: of a letter that stands for several records, a letter for each reason that stands for those that failed for it. */
function lettersAgain(
  { letter }: FoundLetter,
  originals: readonly FoundLetter[],
  attempts: readonly Attempt[],
  nowMs: number,
  version: string,
): readonly DeadLetter[] {
  const failures = new Map<string, { readonly rejection: Rejection; readonly records: DeadRecord[] }>()
  for (const [index, original] of originals.entries()) {
    const own = ownRejections(original.letter, attempts[index]?.again ?? [])
    if (letter.records.length === 0) return own.map((rejection) => failedAgain(letter, rejection, nowMs, version))
    const record = letter.records.find(({ offset }) => offset === original.letter.source_offset)
    for (const rejection of own) {
      const failure = failures.get(rejection.reason) ?? { rejection, records: [] }
      failures.set(rejection.reason, failure)
      if (record !== undefined && failure.records.at(-1) !== record) failure.records.push(record)
    }
  }
  return [...failures.values()].map(({ rejection, records }) => {
    const { samples, quantities } = letter
    return failedAgain({ ...letter, records }, { ...rejection, samples, quantities }, nowMs, version)
  })
}

function outcomeOf(outputs: number, dropped: string | null, failures: number): Outcome {
  if (failures > 0) return outputs > 0 ? 'partly-mended' : 'failed-again'
  return dropped !== null && outputs === 0 ? 'dropped' : 'mended'
}
