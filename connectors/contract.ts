/**
 * Ports between the outside world and the code that wires it. Connectors do not import one another;
 * `services/` join them here.
 */
export type { Assignment } from '../processors/contract.ts'

import type { Received } from '../processors/bridge/forward.ts'
import type { Assignment, ConsumerName, DeviceId, KafkaRecord, OutgoingRecord, Topic } from '../processors/contract.ts'

/**
 * A failure of the outside world. Transient: back off and try again, keep the place, never
 * dead-letter.
 */
export class ConnectorError extends Error {
  readonly code: string
  readonly transient: boolean
  constructor(code: string, transient: boolean, doing: string, cause?: unknown) {
    const because = cause instanceof Error ? `: ${cause.message}` : ''
    super(`${doing}${because}`, cause === undefined ? undefined : { cause })
    this.name = 'ConnectorError'
    this.code = code
    this.transient = transient
  }
}

/** Whether an error is one that waiting may help against. What is not known to be is not. */
export function isTransient(cause: unknown): boolean {
  return cause instanceof ConnectorError && cause.transient
}

/**
 * Writes one line for an event. Each warning and each error is in docs/logs.md, so its message is a
 * literal, and what changes is in the fields.
 */
export interface Log {
  info(message: string, fields?: Readonly<Record<string, unknown>>): void
  warn(message: string, fields?: Readonly<Record<string, unknown>>): void
  error(message: string, fields?: Readonly<Record<string, unknown>>): void
}

/** An MQTT PUBLISH as it arrived. The buffers are the receiver's to keep. */
export type Publish = Pick<Received, 'topic' | 'payload' | 'retain' | 'receivedMs'>

/** What time it is for another machine. */
export interface RemoteClock extends AsyncDisposable {
  /** Milliseconds since 1970. Rejects with a ConnectorError; then the caller asks again. */
  read(): Promise<number>
}

/**
 * Takes what a subscription received, in the order received. PUBACKs go out, in that order, after
 * the promise has resolved; several calls may be under way at once. A rejection is a defect: the
 * session is reconnected and the broker sends the messages again.
 */
export type PublishHandler = (publishes: readonly Publish[]) => Promise<void>

/** Sends to Kafka with acks=all. */
export interface RecordProducer extends AsyncDisposable {
  /**
   * Resolves once Kafka has acknowledged every record. Records of one key keep their order, over
   * calls too. Waits through outages with backoff; rejects only on abort, or with a ConnectorError
   * that is not transient (a record too large).
   */
  send(records: readonly OutgoingRecord[]): Promise<void>
}

/** Records of one partition, in order; there may be none. */
export interface ConsumedBatch {
  readonly topic: Topic
  readonly partition: number
  readonly records: readonly KafkaRecord[]
  /**
   * Offset to go on from once this batch is done: past control records and aborted transactions
   * too, even if there is nothing else.
   */
  readonly nextOffset: bigint
  /** Leader epoch of the last batch. */
  readonly leaderEpoch: number
}

/** A partition of a topic; the topic's ID tells a recreated topic from its namesake. */
export interface TopicPartition {
  readonly topic: Topic
  readonly partition: number
}

/** Up to where a consumer has read a partition. */
export interface Position extends TopicPartition {
  /** First offset that is not done yet. */
  readonly nextOffset: bigint
  /**
   * Epoch of the partition's leader when the records below were read, or when they were last found
   * to be still there: -1 if it is not known. A log that was cut below the position goes on under a
   * later leader, so the epoch tells (docs/adr/0018-positions-and-leader-epochs.md).
   */
  readonly leaderEpoch: number
}

/** A partition's records: from the earliest up to, not including, `end`. */
export interface Extent {
  readonly partition: number
  readonly earliest: bigint
  readonly end: bigint
}

/** A topic as Kafka has it now. */
export interface TopicState {
  /** 32 hexadecimal digits: tells a recreated topic from its namesake. */
  readonly id: string
  readonly partitions: number
}

/** What a consumer has read, or was to read, and Kafka no longer has. */
export interface PositionChange extends TopicPartition {
  /**
   * `truncated`: the log was cut below the position and may have gone on since, as after a crash
   * that lost what was not on disk yet. `deleted`: retention took records before they were read.
   * `recreated`: the topic is another one, of the same name.
   */
  readonly tag: 'truncated' | 'deleted' | 'recreated'
  /** The position as it was. If the topic was recreated, it is one in the old topic. */
  readonly from: bigint
  readonly to: bigint
}

/** A position as it stands in Kafka's log. */
export interface PositionCheck {
  /** Where to go on. */
  readonly position: Position
  /** Null if all below the position is what was read, and all above it is still there. */
  readonly change: PositionChange | null
}

/**
 * What Kafka says of the logs that positions are in. Throws ConnectorError, transient if Kafka
 * is not there.
 */
export interface KafkaLogs extends AsyncDisposable {
  /** Those of the topics that exist. */
  topics(names: readonly Topic[]): Promise<ReadonlyMap<Topic, TopicState>>
  /** Where each partition of a topic begins and ends now. */
  extents(topic: Topic): Promise<readonly Extent[]>
  /** Whether what was read up to these positions is still there, in their order. */
  check(positions: readonly Position[]): Promise<readonly PositionCheck[]>
}

/** A partition, and where a consumer begins that has read nothing of it. */
export interface FirstPosition extends TopicPartition {
  /** The first offset that Kafka has. */
  readonly earliest: bigint
}

/** Rows of a batch, counted from 0: from `first` up to, not including, `end`. */
export interface RowRange {
  readonly first: number
  readonly end: number
}

/**
 * One partition's share of a sink batch: moves next_offset from `from` to `to` (further on), if the
 * partition still is ours.
 */
export interface OffsetMove extends TopicPartition {
  /**
   * Where the last commit left off, or the claim said. It is not the first record's offset, which
   * is later if Kafka has dropped records.
   */
  readonly from: bigint
  readonly to: bigint
  /** Leader epoch of the position that it leads to. */
  readonly leaderEpoch: number
  readonly epoch: bigint
  /**
   * The batch's rows that came from this partition, in order. Every row belongs to exactly one
   * move.
   */
  readonly rows: readonly RowRange[]
  /**
   * Dead letters between `from` and `to`: added to the partition's count in the same transaction.
   */
  readonly dead: number
}

/** Rows for table `readings`, encoded for binary COPY, and the offsets that they stand for. */
export interface SinkBatch {
  /** A whole binary COPY stream: header, rows, trailer. */
  readonly copy: Buffer
  /**
   * Its columns: `leadingColumns`, then those quantities that any of the rows may have, in any
   * order.
   */
  readonly columns: readonly string[]
  readonly rows: number
  /** Days since 1970-01-01 (UTC) that the rows fall on, so that their partitions can be made. */
  readonly days: readonly number[]
  readonly moves: readonly OffsetMove[]
}

/** What became of the rows of a batch. Each row counts once. */
export interface RowCounts {
  /** Rows whose key was not there. */
  readonly inserted: number
  /**
   * Rows that added a quantity, an account or a site to the row of their key, and contradicted
   * nothing in it.
   */
  readonly merged: number
  /** Rows that had nothing new. */
  readonly repeated: number
}

/** Rows of one device that had another value than the row of their key. */
export interface ValueConflicts {
  readonly device: string
  readonly rows: number
  /** The last of them. */
  readonly example: ValueConflict
}

export interface ValueConflict {
  /** Microseconds since 1970. */
  readonly tsMicros: number
  /** Name of the column. */
  readonly column: string
  readonly kept: number
  readonly refused: number
}

/** A row that the database refuses for its data. */
export interface BadRow {
  /** Its index in the COPY stream, from 0. */
  readonly row: number
  readonly sqlState: string
  readonly detail: string
}

export type SinkResult =
  | ({ readonly tag: 'committed'; readonly conflicts: readonly ValueConflicts[] } & RowCounts)
  /** Nothing was written: another owner has at least one of the partitions. Claim again. */
  | { readonly tag: 'fenced'; readonly partitions: readonly TopicPartition[] }
  /**
   * Nothing was written: the database refuses each of these rows, and takes the others. At least
   * one, in the order of the rows.
   */
  | { readonly tag: 'bad-rows'; readonly rows: readonly BadRow[] }
  /**
   * Nothing was written: the batch is more than the database takes at once (its error is
   * transient), or it refuses the whole though it takes each row by itself. It may take parts of
   * it.
   */
  | { readonly tag: 'not-whole'; readonly cause: ConnectorError }

/** Up to where a partition's owner has committed. */
export interface ClaimedPosition extends TopicPartition {
  readonly nextOffset: bigint
  readonly epoch: bigint
}

/** Where a partition's owner goes on. */
export interface Claim extends Position, ClaimedPosition {
  /**
   * `kept`: where the consumer left off. `first`: it has read nothing of the partition yet, and
   * begins at its earliest record. `recreated`: the topic is not the one that it read before,
   * though it has the same name.
   */
  readonly origin: 'kept' | 'first' | 'recreated'
}

/**
 * Offsets that are kept in a database, in the transactions of what they stand for. Throws
 * ConnectorError.
 */
export interface OffsetStore {
  /**
   * Takes ownership: bumps the epoch of each partition, so that an earlier owner can no longer
   * commit. A position always results, and is as durable as the epoch. So a commit that a crash of
   * the database took back is noticed: the next commit does not go on from where the row is.
   */
  claim(consumer: ConsumerName, topicId: string, partitions: readonly FirstPosition[]): Promise<readonly Claim[]>
  /**
   * Puts positions elsewhere, durably: Kafka no longer has what was read, or what was to be read.
   * False if one of the partitions is another owner's by now: nothing was changed then.
   */
  reposition(consumer: ConsumerName, positions: readonly (Position & { readonly epoch: bigint })[]): Promise<boolean>
  /**
   * The partitions of which the database has lost these positions, or their claim, as after a crash
   * or the promotion of a standby. One that another owner has claimed since is that owner's.
   */
  lost(consumer: ConsumerName, positions: readonly ClaimedPosition[]): Promise<readonly TopicPartition[]>
}

/**
 * The database as a sink with its own offsets (docs/architecture.md). Throws ConnectorError. After
 * a transient one `claim` tells what was committed.
 */
export interface ReadingsSink extends OffsetStore, AsyncDisposable {
  /**
   * One transaction: offsets by compare-and-set, then the rows. After a transient error call it
   * again with the same batch object: if the connection was lost during COMMIT, it finds out
   * whether that had happened, and never writes the batch twice.
   */
  commit(consumer: ConsumerName, batch: SinkBatch): Promise<SinkResult>
  /**
   * What the database would say of the batch's rows: they are written, and taken back. It looks at
   * no offsets, and makes no partitions.
   */
  dryRun(batch: SinkBatch): Promise<SinkResult>
}

/** Devices and their assignments, cached and kept fresh by notifications. */
export interface DeviceDirectory extends AsyncDisposable {
  /**
   * Makes the cache definitive for these devices: after it resolves, `assignments` tells the truth
   * as of now. Of other devices and of gateways it knows what was so a moment ago. Waits through
   * outages.
   */
  prepare(devices: ReadonlySet<DeviceId>): Promise<void>
  /**
   * Assignments in order of time, without overlaps; empty for a known device without one; undefined
   * for an unknown device.
   */
  assignments(device: DeviceId): readonly Assignment[] | undefined
  /**
   * Whether `assignments` says that a device is unknown though the database was not asked for it
   * lately: it may be new.
   */
  unsure(device: DeviceId): boolean
  /** Whether a rule lets the gateway speak for the device, known or not. */
  speaksFor(gateway: string, device: DeviceId): boolean
}

/**
 * A registered schema. What was written with it must be read even after the registry has lost it.
 */
export interface RememberedSchema {
  readonly subject: string
  readonly version: number
  readonly id: number
  /** As the registry has it. */
  readonly text: string
  /** CRC-64-AVRO of its canonical form: 8 bytes, little-endian, as hexadecimal. */
  readonly fingerprint: string
}

/**
 * Keeps schemas for longer than the registry does: its subjects may be deleted, and it may be
 * restored from an older backup.
 */
export interface SchemaMemory {
  /**
   * The schemas of subjects that start with the prefix, the last kept last. Rejects if the memory
   * cannot be reached: nobody waits for it.
   */
  recall(prefix: string): Promise<readonly RememberedSchema[]>
  memorise(schemas: readonly RememberedSchema[]): Promise<void>
}
