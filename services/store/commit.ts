import { setTimeout as delay } from 'node:timers/promises'
import { backoffMs } from '../../connectors/backoff.ts'
import {
  ConnectorError,
  type Log,
  type ReadingsSink,
  type RecordProducer,
  type SinkBatch,
  type SinkResult,
} from '../../connectors/contract.ts'
import type { ConsumerName } from '../../processors/contract.ts'
import type { DeadLetterWriter } from '../../processors/dead-letter-writer.ts'
import type { RowBatch } from '../../processors/store/row-batch.ts'
import type { HeldPartitions } from '../held-partitions.ts'
import type { StoreCounters } from './counters.ts'

export interface CommitterOptions {
  readonly consumer: ConsumerName
  readonly sink: ReadingsSink
  readonly deadLetters: DeadLetterWriter
  readonly producer: RecordProducer
  /** Most rows of a batch. */
  readonly batchRows: number
  readonly log: Log
  readonly signal: AbortSignal
  readonly counters: StoreCounters
  readonly held: HeldPartitions
  /** Health: null while all is well, else what is wrong. */
  readonly problem: (what: string | null) => void
}

/** A batch on its way, and whose it is. */
export interface Committing {
  readonly rowBatch: RowBatch
  /** What goes to the sink: with the epochs of the claim under which the batch was filled. */
  readonly prepare: (rowBatch: RowBatch) => SinkBatch
  /** Whether the partitions still are as they were then; if not, nothing more is tried. */
  readonly current: () => boolean
  /** A batch, or a part of it, was committed. */
  readonly committed: (batch: SinkBatch) => void
}

/**
 * `start-over`: another owner has a partition, or one is held: what was read must be read again.
 * `void`: it is, already.
 */
export type CommitEnd = 'committed' | 'start-over' | 'void'

export interface Committer {
  /** Commits a batch, however long it takes. */
  commit(committing: Committing): Promise<CommitEnd>
  /** Rows that make a batch full: fewer than configured after one was too much for the database. */
  mostRows(): number
}

const BACKOFF = { baseMs: 100, maxMs: 10_000 }
/**
 * After a batch was split, each commit lets the next one be so much larger: nobody runs into the
 * limit again and again.
 */
const GROWTH = 1 / 8

type BadRows = Extract<SinkResult, { tag: 'bad-rows' }>

/**
 * Dead letters first, then rows and offsets, again and again until it is done. A batch that the
 * database cannot take as one is committed in halves.
 */
export function createCommitter(options: CommitterOptions): Committer {
  const { consumer, sink, log, signal, counters } = options
  let mostRows = options.batchRows

  async function commitPart(rowBatch: RowBatch, { prepare, current, committed }: Committing): Promise<CommitEnd | 'split'> {
    let prepared = prepare(rowBatch)
    // If something is refused, the rest is tried out before anything is said of it: a batch that
    // turns out too bad leaves no dead letters.
    let suspect = rowBatch.refused.length > 0
    for (let attempt = 0; current(); ) {
      signal.throwIfAborted()
      try {
        if (options.held.stop(rowBatch)) return 'start-over'
        const result = suspect ? await sink.dryRun(prepared) : await write(rowBatch, prepared)
        switch (result.tag) {
          case 'committed':
            if (suspect) {
              suspect = false
              continue
            }
            count(rowBatch, result)
            options.problem(null)
            options.held.committed(rowBatch)
            committed(prepared)
            return 'committed'
          case 'fenced':
            counters.fenced++
            log.warn('another owner has a partition; nothing was written', {
              partitions: result.partitions.map(({ topic, partition }) => `${topic}/${partition}`).join(' '),
            })
            return current() ? 'start-over' : 'void'
          case 'bad-rows':
            suspect = true
            prepared = without(result, rowBatch, prepare)
            continue
          case 'not-whole':
            if (rowBatch.records > 1) {
              log.warn('a batch is more than the database takes at once; trying its halves', {
                rows: prepared.rows,
                days: prepared.days.length,
                cause: String(result.cause),
              })
              return 'split'
            }
            if (result.cause.transient) throw result.cause
            suspect = true
            prepared = without(everyRow(prepared, result.cause), rowBatch, prepare)
        }
      } catch (cause) {
        if (signal.aborted) throw cause
        counters.retries++
        const pauseMs = backoffMs(attempt++, BACKOFF, Math.random)
        const transient = cause instanceof ConnectorError && cause.transient
        options.problem(`committing to the database: ${String(cause)}`)
        log[transient ? 'warn' : 'error']('a batch was not committed; trying again', {
          attempt,
          pauseMs: Math.round(pauseMs),
          cause: String(cause),
        })
        await delay(pauseMs, undefined, { signal })
      }
    }
    return 'void'
  }

  /**
   * Dead letters first: once the offsets have moved, nobody would write them. After a transient
   * error the sink must see the same object again.
   */
  async function write(rowBatch: RowBatch, prepared: SinkBatch): Promise<SinkResult> {
    const deadLetters = rowBatch.closeRefused()
    if (deadLetters.length > 0) await options.producer.send(options.deadLetters(deadLetters, Date.now()))
    rowBatch.deadLettersWritten()
    return sink.commit(consumer, prepared)
  }

  function count(rowBatch: RowBatch, result: Extract<SinkResult, { tag: 'committed' }>): void {
    counters.commits++
    counters.inserted += result.inserted
    counters.readings += rowBatch.readings
    counters.merged += result.merged
    counters.repeated += result.repeated
    for (const { rows } of result.conflicts) counters.conflicts += rows
    for (const { reason } of rowBatch.refused) counters.rejected.set(reason, (counters.rejected.get(reason) ?? 0) + 1)
  }

  /** Leaves out the rows that the database refused. */
  function without({ rows }: BadRows, rowBatch: RowBatch, prepare: (rowBatch: RowBatch) => SinkBatch): SinkBatch {
    log.warn('the database refused rows', { rows: rows.length, ...rows[0] })
    rowBatch.exclude(rows.map(({ row, sqlState, detail }) => ({ row, detail: `SQLSTATE ${sqlState}: ${detail}` })))
    return prepare(rowBatch)
  }

  return {
    mostRows: () => mostRows,
    async commit(committing) {
      // Each part takes the memory of the whole: it is encoded when its turn comes.
      const parts: { readonly of: RowBatch; readonly from: number; readonly end: number }[] = []
      let rowBatch: RowBatch | undefined = committing.rowBatch
      while (rowBatch !== undefined) {
        const end = await commitPart(rowBatch, committing)
        if (end === 'split') {
          const { records } = rowBatch
          const middle = records >> 1
          parts.unshift({ of: rowBatch, from: 0, end: middle }, { of: rowBatch, from: middle, end: records })
          mostRows = Math.max(1, Math.min(mostRows, rowBatch.rows >> 1))
        } else if (end === 'committed') mostRows = Math.min(options.batchRows, mostRows + Math.ceil(mostRows * GROWTH))
        else return end
        const next = parts.shift()
        rowBatch = next?.of.part(next.from, next.end)
      }
      return 'committed'
    },
  }
}

/**
 * The one record that is left is refused as a whole, though the database takes each of its rows by
 * itself.
 */
function everyRow({ rows }: SinkBatch, { code, message }: ConnectorError): BadRows {
  return { tag: 'bad-rows', rows: Array.from({ length: rows }, (_, row) => ({ row, sqlState: code, detail: message })) }
}
