import type { ConsumedBatch, Position, TopicPartition } from '../../connectors/contract.ts'
import type { ConsumerControls } from '../../connectors/kafka/consumer.ts'
import type { KafkaRecord } from '../../processors/contract.ts'
import type { ConsumerTask } from '../../services/consumer-task.ts'

/**
 * In the place of a consumer group's member: a test says when it is assigned, and hands records on.
 */
export class MemoryConsumer implements ConsumerControls {
  generation = 0
  /** Times that the task asked for its partitions anew since they were assigned. */
  reclaims = 0
  readonly paused = new Set<string>()
  /** What was told for lag tools, in order. */
  readonly told: Position[] = []
  private readonly positions = new Map<string, bigint>()
  /** Partitions of which a batch is being handled: the next one follows when it has been. */
  private readonly handling = new Set<string>()
  private readonly record: (partition: TopicPartition, offset: bigint) => KafkaRecord

  /** @param record what is in Kafka's log */
  constructor(record: (partition: TopicPartition, offset: bigint) => KafkaRecord) {
    this.record = record
  }

  tell(positions: readonly Position[]): void {
    this.told.push(...positions)
  }

  pause({ topic, partition }: TopicPartition): void {
    this.paused.add(`${topic}/${partition}`)
  }

  resume({ topic, partition }: TopicPartition): void {
    this.paused.delete(`${topic}/${partition}`)
  }

  reclaim(): void {
    this.reclaims++
  }

  /** A rebalance, which leaves this member these partitions. */
  async assign(task: ConsumerTask, ...partitions: readonly TopicPartition[]): Promise<void> {
    const generation = this.revoke(task)
    const claimed = (await task.claim?.(partitions, generation)) ?? []
    if (generation !== this.generation) return
    for (const { topic, partition, nextOffset } of claimed) this.positions.set(`${topic}/${partition}`, nextOffset)
  }

  revoke(task: ConsumerTask): number {
    this.reclaims = 0
    this.positions.clear()
    this.handling.clear()
    task.revoked()
    return ++this.generation
  }

  /** Where a partition is; undefined if it is not this member's. */
  position({ topic, partition }: TopicPartition): bigint | undefined {
    return this.positions.get(`${topic}/${partition}`)
  }

  /**
   * Hands the next records of a partition on, and those behind them once the task has taken them.
   */
  async feed(task: ConsumerTask, partition: TopicPartition, records: number): Promise<void> {
    const { generation } = this
    const from = this.position(partition)
    if (from === undefined) return
    const place = `${partition.topic}/${partition.partition}`
    if (this.handling.has(place)) return
    this.handling.add(place)
    try {
      await task.handle(this.batch(partition, from, records), generation)
      if (generation === this.generation) this.positions.set(place, from + BigInt(records))
    } finally {
      if (generation === this.generation) this.handling.delete(place)
    }
  }

  batch({ topic, partition }: TopicPartition, from: bigint, records: number): ConsumedBatch {
    return {
      topic,
      partition,
      records: Array.from({ length: records }, (_, index) => this.record({ topic, partition }, from + BigInt(index))),
      nextOffset: from + BigInt(records),
      leaderEpoch: 0,
    }
  }
}
