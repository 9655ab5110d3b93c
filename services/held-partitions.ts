import { backoffMs } from '../connectors/backoff.ts'
import type { Log, TopicPartition } from '../connectors/contract.ts'
import type { RowBatch } from '../processors/store/row-batch.ts'
import { Breaker, type BreakerLimits, describeTurned } from './breaker.ts'

/**
 * The store's partitions in which too many devices have turned bad together. Each is left alone for
 * a while and then tried again. The others go on.
 */
export interface HeldPartitions {
  /**
   * Holds the partitions that the batch must not be committed for. If it returns true, nothing of
   * the batch may be committed.
   */
  stop(batch: RowBatch): boolean
  /** Holds a partition for another reason. What was read of it must be read again. */
  hold(partition: TopicPartition, why: string): void
  /** Counts a batch that was committed. */
  committed(batch: RowBatch): void
  /** The assigned partitions that are not held. */
  without<Place extends TopicPartition>(assigned: readonly Place[]): readonly Place[]
}

export interface HeldPartitionsOptions {
  readonly limits: BreakerLimits
  readonly log: Log
  /** Health of one partition: null while it goes on, else why it is stopped. */
  readonly stopped: (partition: string, why: string | null) => void
  /** Claims the assigned partitions anew, because one of them is no longer held. */
  readonly reclaim: () => void
}

/**
 * Pauses before a held partition is tried again. It is read from its committed offset, with what
 * the registry and the database say by then.
 */
const AGAIN = { baseMs: 1_000, maxMs: 30_000 }
const AGAIN_LEAST_MS = 1_000

export function createHeldPartitions({ limits, log, stopped, reclaim }: HeldPartitionsOptions): HeldPartitions {
  const breaker = new Breaker(limits)
  const held = new Set<string>()
  /** How often each partition was held since its last commit. */
  const attempts = new Map<string, number>()

  function hold(place: string, why: string): void {
    const attempt = attempts.get(place) ?? 0
    attempts.set(place, attempt + 1)
    held.add(place)
    stopped(place, why)
    const pauseMs = AGAIN_LEAST_MS + backoffMs(attempt, AGAIN, Math.random)
    log.error('a partition is stopped', { partition: place, why, pauseMs: Math.round(pauseMs) })
    setTimeout(() => {
      held.delete(place)
      reclaim()
    }, pauseMs).unref()
  }

  return {
    stop(batch) {
      if (batch.refused.length === 0) return false
      let any = false
      for (const { topic, partition, records, bad } of batch.outcomes()) {
        const turned = breaker.judge(records, bad, Date.now())
        if (turned === undefined) continue
        any = true
        const place = `${topic}/${partition}`
        hold(place, describeTurned(place, turned, reasons(batch, topic, partition), limits))
      }
      return any
    },
    hold: ({ topic, partition }, why) => hold(`${topic}/${partition}`, why),
    committed(batch) {
      for (const { topic, partition, records, bad } of batch.outcomes()) {
        const place = `${topic}/${partition}`
        breaker.passed(records, bad, Date.now())
        if (attempts.delete(place)) stopped(place, null)
      }
    },
    without(assigned) {
      const places = new Set(assigned.map(({ topic, partition }) => `${topic}/${partition}`))
      // A partition that went to another owner is that owner's problem.
      for (const place of attempts.keys()) {
        if (places.has(place)) continue
        attempts.delete(place)
        stopped(place, null)
      }
      return assigned.filter(({ topic, partition }) => !held.has(`${topic}/${partition}`))
    },
  }
}

function reasons({ refused }: RowBatch, topic: string, partition: number): ReadonlyMap<string, number> {
  const counts = new Map<string, number>()
  for (const each of refused) {
    if (each.topic === topic && each.partition === partition) counts.set(each.reason, (counts.get(each.reason) ?? 0) + 1)
  }
  return counts
}
