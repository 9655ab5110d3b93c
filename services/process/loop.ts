import { setTimeout as delay } from 'node:timers/promises'
import { backoffMs } from '../../connectors/backoff.ts'
import {
  type Claim,
  ConnectorError,
  type ConsumedBatch,
  type Log,
  type Position,
  type RecordProducer,
  type TopicPartition,
} from '../../connectors/contract.ts'
import type { DeviceRejection, ProcessRunner } from '../../connectors/postgres/process-runner.ts'
import type { ConsumerName, KafkaRecord, Lookups } from '../../processors/contract.ts'
import type { DeadLetterWriter, RefusedRecord } from '../../processors/dead-letter-writer.ts'
import { type BusinessProcess, inputsByDevice } from '../../processors/process.ts'
import type { PartitionGuard } from '../partition-guard.ts'
import { UNDECODABLE } from '../processor/engine.ts'

/** Figures for metrics. */
export interface ProcessCounters {
  records: number
  commits: number
  retries: number
  fenced: number
  readonly rejected: Map<string, number>
}

export interface ProcessLoopOptions {
  readonly consumer: ConsumerName
  readonly businessProcess: BusinessProcess<unknown>
  readonly runner: ProcessRunner
  readonly lookups: Lookups
  readonly prepare: (records: readonly KafkaRecord[]) => Promise<void>
  /** Takes partitions: where the process goes on with each. */
  readonly claim: (partitions: readonly TopicPartition[]) => Promise<readonly Claim[]>
  readonly producer: RecordProducer
  readonly deadLetters: DeadLetterWriter
  readonly guard: PartitionGuard
  readonly log: Log
  readonly signal: AbortSignal
  readonly counters: ProcessCounters
  /** Where partitions are, after a claim and after a commit: for lag tools. */
  readonly committed: (positions: readonly Position[]) => void
  readonly reclaim: () => void
  /** Health: null while all is well, else what is wrong. */
  readonly problem: (what: string | null) => void
}

/** What the consumer of a business process's topic calls. */
export interface ProcessLoop {
  claim(partitions: readonly TopicPartition[], generation: number): Promise<readonly Claim[]>
  handle(batch: ConsumedBatch, generation: number): Promise<void>
  revoked(): void
  /** Waits for what is under way. */
  drain(): Promise<void>
}

const BACKOFF = { baseMs: 100, maxMs: 10_000 }

interface Owned {
  readonly epoch: bigint
  position: bigint
}

/**
 * Effectively once: one transaction of the app database for each batch, with its offsets; dead
 * letters before it.
 */
export function createProcessLoop(options: ProcessLoopOptions): ProcessLoop {
  const { consumer, businessProcess, runner, log, signal, counters, guard } = options
  let current = 0
  let owned = new Map<string, Owned>()
  /** Batches of several partitions take turns on the one connection. */
  let turn: Promise<unknown> = Promise.resolve()

  async function commit({ topic, partition, records, nextOffset, leaderEpoch }: ConsumedBatch, generation: number): Promise<void> {
    await options.prepare(records)
    const { devices, undecodable } = inputsByDevice(businessProcess, records, options.lookups)
    let left = devices
    const whole = { topic, partition, samples: [] }
    const refused: RefusedRecord[] = undecodable.map(({ record, detail }) => ({ ...whole, record, reason: UNDECODABLE, detail }))
    // Dead letters are written before the transaction. If some are due already, the others must
    // be known first: all of them say whether the partition goes on.
    let known = undecodable.length === 0
    let published = 0
    const refuse = (rejections: readonly DeviceRejection[]): void => {
      for (const { device, reason, detail } of rejections) {
        for (const record of left.find((inputs) => inputs.device === device)?.records ?? [])
          refused.push({ ...whole, record, reason, detail })
      }
      left = left.filter(({ device }) => rejections.every((rejection) => rejection.device !== device))
    }
    const bad = (): readonly number[] => {
      const known = new Set(refused.map(({ record }) => record))
      return known.size === 0 ? [] : records.flatMap((record, index) => (known.has(record) ? [index] : []))
    }
    for (let attempt = 0; ; ) {
      const place = owned.get(placeKey(topic, partition))
      if (place === undefined || generation !== current) return
      if (known) guard.check(placeKey(topic, partition), records, bad(), countByReason(refused))
      try {
        if (!known) {
          refuse(await runner.dryRun(consumer, businessProcess, left))
          known = true
          continue
        }
        if (refused.length > published) await options.producer.send(options.deadLetters(refused.slice(published), Date.now()))
        published = refused.length
        const move = {
          topic,
          partition,
          from: place.position,
          to: nextOffset,
          leaderEpoch,
          epoch: place.epoch,
          handled: records.length,
          dead: refused.length,
        }
        const result = await runner.commit(consumer, businessProcess, { devices: left, moves: [move] })
        switch (result.tag) {
          case 'committed':
            place.position = nextOffset
            counters.commits++
            counters.records += records.length
            for (const [reason, times] of countByReason(refused))
              counters.rejected.set(reason, (counters.rejected.get(reason) ?? 0) + times)
            guard.passed(placeKey(topic, partition), records, bad())
            options.problem(null)
            options.committed([{ topic, partition, nextOffset, leaderEpoch }])
            return
          case 'fenced':
            counters.fenced++
            log.warn('another owner has the partition; nothing was written', { topic, partition })
            if (generation === current) options.reclaim()
            return
          case 'rejected':
            refuse(result.rejections)
        }
      } catch (cause) {
        signal.throwIfAborted()
        counters.retries++
        options.problem(`the app database: ${String(cause)}`)
        const transient = cause instanceof ConnectorError && cause.transient
        log[transient ? 'warn' : 'error']('a batch was not committed; trying again', { attempt, cause: String(cause) })
        await delay(backoffMs(attempt++, BACKOFF, Math.random), undefined, { signal })
      }
    }
  }

  return {
    async claim(partitions, generation) {
      current = generation
      owned = new Map()
      for (let attempt = 0; ; attempt++) {
        try {
          const claims = await options.claim(partitions)
          if (generation !== current) return []
          owned = new Map(
            claims.map(({ topic, partition, epoch, nextOffset }) => [placeKey(topic, partition), { epoch, position: nextOffset }]),
          )
          options.committed(claims)
          options.problem(null)
          return claims
        } catch (cause) {
          signal.throwIfAborted()
          if (generation !== current) return []
          options.problem(`claiming partitions in the app database: ${String(cause)}`)
          log.warn('could not claim partitions in the database; trying again', { attempt, cause: String(cause) })
          await delay(backoffMs(attempt, BACKOFF, Math.random), undefined, { signal })
        }
      }
    },
    handle(batch, generation) {
      const mine = turn.then(() => commit(batch, generation))
      turn = mine.catch(() => undefined)
      return mine
    },
    revoked() {
      current = -1
      owned = new Map()
      guard.forget()
    },
    async drain() {
      await turn
    },
  }
}

function countByReason(refused: readonly RefusedRecord[]): ReadonlyMap<string, number> {
  const counts = new Map<string, number>()
  for (const { reason } of refused) counts.set(reason, (counts.get(reason) ?? 0) + 1)
  return counts
}

function placeKey(topic: string, partition: number): string {
  return `${topic}/${partition}`
}
