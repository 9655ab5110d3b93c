import { setTimeout as delay } from 'node:timers/promises'
import type { ConsumedBatch } from '../../connectors/contract.ts'
import type { RedriveOutcome, Settled, SettledDeadLetter } from '../../connectors/postgres/redrive-log.ts'
import type { OutgoingRecord, Rejection } from '../../processors/contract.ts'
import type { DeadLetter, DeadLetterCodec, DeadRecord } from '../../processors/dead-letter.ts'
import { encodeWithin } from '../../processors/dead-letter-writer.ts'
import {
  type DeadLetterFilter,
  type FoundDeadLetter,
  failedAgain,
  identity,
  matches,
  ownRejections,
} from '../../processors/found-dead-letters.ts'
import type { Originals } from './originals.ts'
import type { RedriveReport } from './report.ts'
import type { Attempt, RedriveWay } from './way.ts'

export interface RedriveRunOptions {
  readonly way: RedriveWay
  readonly codec: DeadLetterCodec
  readonly version: string
  readonly filter: DeadLetterFilter
  /** Dead letters that have failed this often are left alone. */
  readonly maxAttempts: number
  /** Dead letters that earlier runs settled. */
  readonly settled: Settled
  /** The records that a dead letter is about. */
  readonly originals: (found: FoundDeadLetter) => Promise<Originals>
  /** Largest dead letter that its topic takes. */
  readonly deadLetterBytes: number
  /** Dead letters a second; null for as fast as it goes. */
  readonly rate: number | null
  /** Says what would happen, and changes nothing. */
  readonly dryRun: boolean
  /** Resolves once Kafka has the dead letters of what failed again. */
  readonly publish: (deadLetters: readonly OutgoingRecord[]) => Promise<void>
  /** Resolves once it is written down that no run needs to see these dead letters again. */
  readonly settle: (deadLetters: readonly SettledDeadLetter[]) => Promise<void>
  readonly report: RedriveReport
  /** Ends the run after the dead letters that are under way. */
  readonly stopping: AbortSignal
}

/** A dead letter that is under way, and the dead letters that the processor sees for it. */
interface Taken {
  readonly found: FoundDeadLetter
  readonly originals: readonly FoundDeadLetter[]
}

/** Dead letters that are under way together. */
const CHUNK_SIZE = 500
const CHUNK_BYTES = 4 << 20
/**
 * How many dead letters are remembered by their identity. A service that was killed soon writes the
 * same ones again.
 */
const REMEMBERED = 1_000_000

/**
 * Takes the dead letters of a topic, as scanned, and runs the chosen ones through their processor.
 * First it sends the outputs, then the dead letters of what failed again, and then it notes that
 * the old dead letters are settled. So a run that is killed at any point has lost nothing. The next
 * run does at most one chunk again: its outputs are repeats by key, and its dead letters are
 * recognised as the same.
 */
export function createRedriveRun(options: RedriveRunOptions): (batch: ConsumedBatch) => Promise<void> {
  const { way, codec, filter, report, stopping, rate } = options
  const chunkSize = rate === null ? CHUNK_SIZE : Math.max(1, Math.min(CHUNK_SIZE, Math.ceil(rate / 2)))
  /** Dead letters that are settled, or about to be. */
  const done = new Set<string>()

  function remember(name: string): void {
    done.add(name)
    if (done.size <= REMEMBERED) return
    for (const oldest of done) {
      done.delete(oldest)
      break
    }
  }

  /** Whether the dead letter is to be redriven; if not, it is counted. */
  function chosen(found: FoundDeadLetter): 'redrive' | 'repeat' | 'leave' {
    const { partition, offset, deadLetter } = found
    const name = identity(found)
    if (options.settled.get(partition)?.has(offset)) {
      remember(name)
      report.settledBefore++
      return 'leave'
    }
    if (!matches(deadLetter, filter)) {
      report.filteredOut++
      return 'leave'
    }
    if (deadLetter.attempt >= options.maxAttempts) {
      report.atCap++
      return 'leave'
    }
    if (deadLetter.value === null && (deadLetter.records.length === 0 || deadLetter.source_partition < 0)) {
      report.withoutBytes++
      return 'leave'
    }
    if (done.has(name)) {
      report.repeat(deadLetter.reason)
      return 'repeat'
    }
    remember(name)
    return 'redrive'
  }

  async function work(chunk: readonly Taken[], repeats: readonly FoundDeadLetter[]): Promise<void> {
    const began = performance.now()
    const seen = chunk.flatMap(({ originals }) => originals)
    const attempts = seen.length === 0 ? [] : await (options.dryRun ? way.dryRun(seen) : way.attempt(seen))
    if (attempts.length !== seen.length) throw new RangeError(`${seen.length} dead letters gave ${attempts.length} attempts`)
    const nowMs = Date.now()
    const deadLetters: OutgoingRecord[] = []
    const settled: SettledDeadLetter[] = repeats.map(({ partition, offset }) => ({ partition, offset, outcome: 'repeat' }))
    let next = 0
    for (const { found, originals } of chunk) {
      const own = attempts.slice(next, next + originals.length)
      next += originals.length
      const again = deadLettersAgain(found, originals, own, nowMs, options.version)
      const outputs = own.reduce((sum, attempt) => sum + attempt.outputs, 0)
      const outcome = outcomeOf(outputs, own.find(({ dropped }) => dropped !== null)?.dropped ?? null, again.length)
      settled.push({ partition: found.partition, offset: found.offset, outcome })
      report.attempted(found.deadLetter.reason, outcome, outputs, again)
      for (const deadLetter of again) {
        deadLetters.push({
          topic: found.topic,
          key: deadLetter.key,
          value: encodeWithin(options.deadLetterBytes, deadLetter, codec),
          timestampMs: nowMs,
          headers: deadLetter.records.length === 0 ? found.headers : undefined,
        })
      }
    }
    if (options.dryRun) return
    if (deadLetters.length > 0) await options.publish(deadLetters)
    await options.settle(settled)
    if (rate !== null) await delay(Math.max(0, (1000 * seen.length) / rate - (performance.now() - began)), undefined, { signal: stopping })
  }

  return async ({ topic, partition, records: batch }) => {
    let chunk: Taken[] = []
    let repeats: FoundDeadLetter[] = []
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
      const deadLetter = value === null ? undefined : decoded(codec, value)
      if (deadLetter === undefined) {
        report.unreadable++
        continue
      }
      const found = { topic, partition, offset, deadLetter, headers }
      const choice = chosen(found)
      if (choice === 'leave') continue
      if (choice === 'repeat') repeats.push(found)
      else {
        const { deadLetters: originals, gone } = await options.originals(found)
        report.gone += gone
        // Nothing came of it, so it is not settled. Kafka will delete it soon, as it has deleted
        // its records.
        if (originals.length === 0) continue
        chunk.push({ found, originals })
        records += originals.length
        for (const each of originals) bytes += each.deadLetter.value?.length ?? 0
      }
      if (records >= chunkSize || bytes >= CHUNK_BYTES) await flush()
    }
    await flush()
  }
}

/** The dead letter; undefined if the bytes are none: something else wrote to the topic. */
export function decoded(codec: DeadLetterCodec, bytes: Buffer): DeadLetter | undefined {
  try {
    return codec.decode(bytes)
  } catch (cause) {
    if (cause instanceof Error) return undefined
    throw cause
  }
}

/**
 * The dead letters of what failed again. If the old one stands for several records, there is a new
 * one for each reason, which stands for the records that failed for it.
 */
function deadLettersAgain(
  { deadLetter }: FoundDeadLetter,
  originals: readonly FoundDeadLetter[],
  attempts: readonly Attempt[],
  nowMs: number,
  version: string,
): readonly DeadLetter[] {
  const failures = new Map<string, { readonly rejection: Rejection; readonly records: DeadRecord[] }>()
  for (const [index, original] of originals.entries()) {
    const own = ownRejections(original.deadLetter, attempts[index]?.again ?? [])
    if (deadLetter.records.length === 0) return own.map((rejection) => failedAgain(deadLetter, rejection, nowMs, version))
    const record = deadLetter.records.find(({ offset }) => offset === original.deadLetter.source_offset)
    for (const rejection of own) {
      const failure = failures.get(rejection.reason) ?? { rejection, records: [] }
      failures.set(rejection.reason, failure)
      if (record !== undefined && failure.records.at(-1) !== record) failure.records.push(record)
    }
  }
  return [...failures.values()].map(({ rejection, records }) => {
    const { samples, quantities } = deadLetter
    return failedAgain({ ...deadLetter, records }, { ...rejection, samples, quantities }, nowMs, version)
  })
}

function outcomeOf(outputs: number, dropped: string | null, failures: number): RedriveOutcome {
  if (failures > 0) return outputs > 0 ? 'partly-succeeded' : 'failed-again'
  return dropped !== null && outputs === 0 ? 'dropped' : 'succeeded'
}
