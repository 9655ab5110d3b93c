import { setTimeout as delay } from 'node:timers/promises'
import type { ConsumedBatch } from '../../connectors/contract.ts'
import type { Outcome, Settled, SettledLetter } from '../../connectors/postgres/redrive-log.ts'
import type { OutgoingRecord } from '../../processors/contract.ts'
import type { DeadLetter, DeadLetterCodec } from '../../processors/dead-letter.ts'
import { type FoundLetter, failedAgain, identity, type LetterFilter, matches, ownRejections } from '../../processors/letters.ts'
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
  function chosen({ partition, offset, letter }: FoundLetter): 'redrive' | 'repeat' | 'leave' {
    const name = identity(letter)
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
    if (letter.value === null) {
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

  async function work(chunk: readonly FoundLetter[], repeats: readonly FoundLetter[]): Promise<void> {
    const began = performance.now()
    const attempts = chunk.length === 0 ? [] : await (options.dryRun ? way.rehearse(chunk) : way.attempt(chunk))
    const nowMs = Date.now()
    const letters: OutgoingRecord[] = []
    const settled: SettledLetter[] = repeats.map(({ partition, offset }) => ({ partition, offset, outcome: 'repeat' }))
    for (const [index, found] of chunk.entries()) {
      const attempt = attempts[index]
      if (attempt === undefined) throw new RangeError(`${chunk.length} letters gave ${attempts.length} attempts`)
      const again = ownRejections(found.letter, attempt.again)
      const outcome = outcomeOf(attempt, again.length)
      settled.push({ partition: found.partition, offset: found.offset, outcome })
      report.attempted(found.letter.reason, outcome, attempt.outputs, again)
      for (const rejection of again) {
        const letter = failedAgain(found.letter, rejection, nowMs, options.version)
        letters.push({ topic: found.topic, key: letter.key, value: deadLetters.encode(letter), timestampMs: nowMs, headers: found.headers })
      }
    }
    if (options.dryRun) return
    if (letters.length > 0) await options.publish(letters)
    await options.settle(settled)
    if (rate !== null) await delay(Math.max(0, (1000 * chunk.length) / rate - (performance.now() - began)), undefined, { signal: stopping })
  }

  return async ({ topic, partition, records }) => {
    let chunk: FoundLetter[] = []
    let repeats: FoundLetter[] = []
    let bytes = 0
    const flush = async (): Promise<void> => {
      stopping.throwIfAborted()
      const now = [chunk, repeats] as const
      chunk = []
      repeats = []
      bytes = 0
      if (now[0].length + now[1].length > 0) await work(...now)
    }
    for (const { offset, value, headers } of records) {
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
        chunk.push(found)
        bytes += letter.value?.length ?? 0
      }
      if (chunk.length >= chunkLetters || bytes >= CHUNK_BYTES) await flush()
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

function outcomeOf({ outputs, dropped }: Attempt, failures: number): Outcome {
  if (failures > 0) return outputs > 0 ? 'partly-mended' : 'failed-again'
  return dropped !== null && outputs === 0 ? 'dropped' : 'mended'
}
