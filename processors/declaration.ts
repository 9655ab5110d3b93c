/**
 * What a service says of itself. Everything around it follows from that: topics, subjects, lag,
 * status, redrive, metrics, and the documentation of its reasons.
 */
import type { AvroSchema } from '../schemas/avro-schema.ts'
import type { ConsumerName, LookupName, Output, Processor, ReasonDoc, Topic } from './contract.ts'
import type { BusinessProcess } from './process.ts'
import { deadTopic } from './topics.ts'

export type AnyProcessor = Processor<unknown, { readonly [name: string]: Output<never> }>

/** A topic that a service writes. */
export interface WrittenTopic {
  readonly topic: Topic
  /**
   * What its values are written with, registered as `<topic>-value`. Absent if they are no Avro, or
   * frames, which have their firmware's subject.
   */
  readonly schema?: AvroSchema<unknown>
  /**
   * `device`, where nothing is said: shared out by device, in as many partitions as configured.
   * `clock`: one partition, which Kafka writes its time to. `latest`: one partition, of each key
   * the last value.
   */
  readonly holds?: 'device' | 'clock' | 'latest'
}

/** How a service reads its topics. */
export interface Fetching {
  /** See the consumer (connectors/kafka): `prompt` unless told otherwise. */
  readonly pace?: 'prompt' | 'patient' | 'unhurried'
  /** Most bytes of a partition in one fetch. */
  readonly partitionBytes?: number
  /** Partition n of all its topics goes to the same member. */
  readonly coPartitioned?: boolean
}

export interface Declaration {
  /** Its folder, its consumer group, its label in metrics, the prefix of its dead-letter topic. */
  readonly name: ConsumerName
  /** Topics that its consumer group reads; none for what does not read from Kafka. */
  readonly reads: readonly Topic[]
  /**
   * Who decides where it goes on: Kafka, or a database. What the latter's groups commit to Kafka is
   * for lag tools.
   */
  readonly offsets: 'kafka' | 'telemetry' | 'app'
  readonly fetching: Fetching
  /** Topics that it writes, beside its dead letters. */
  readonly writes: readonly WrittenTopic[]
  readonly needs: readonly LookupName[]
  /** Closed list of what it refuses records for; undefined if it has no dead letters. */
  readonly reasons: Readonly<Record<string, ReasonDoc>> | undefined
  /** Where its metrics are if the configuration says nothing; undefined if that must say it. */
  readonly metricsPort: number | undefined
  /** Of its process, where all run on one machine: what may be late gives way to the line. */
  readonly niceness?: number
}

/** By kind: what runs it. */
export type DeclaredService = (Declaration & { readonly kind: 'bridge' | 'store' | 'continuity' }) | DeclaredProcessor | DeclaredProcess

export interface DeclaredProcessor extends Declaration {
  readonly kind: 'processor'
  readonly processor: AnyProcessor
}

export interface DeclaredProcess extends Declaration {
  readonly kind: 'process'
  readonly businessProcess: BusinessProcess<unknown>
}

/**
 * Of a partition at a time: dense frames become readings of ten times their size, and all
 * partitions are fetched together.
 */
const PROCESSOR_FETCH_BYTES = 262_144

/** @param name of its folder */
export function declareProcessor(name: string, processor: AnyProcessor): DeclaredProcessor {
  return {
    kind: 'processor',
    processor,
    name: name as ConsumerName,
    reads: [processor.from.topic],
    offsets: 'kafka',
    fetching: { partitionBytes: PROCESSOR_FETCH_BYTES },
    writes: Object.values(processor.to),
    needs: processor.needs,
    reasons: processor.reasons,
    metricsPort: processor.metricsPort,
  }
}

/** @param name of its folder */
export function declareProcess(name: string, businessProcess: BusinessProcess<unknown>): DeclaredProcess {
  return {
    kind: 'process',
    businessProcess,
    name: name as ConsumerName,
    reads: [businessProcess.from.topic],
    offsets: businessProcess.database,
    fetching: { pace: 'patient' },
    writes: [],
    needs: businessProcess.needs,
    reasons: businessProcess.reasons,
    metricsPort: businessProcess.metricsPort,
  }
}

/** Where the services' dead letters go, of those that have any. */
export function deadTopics(services: readonly Pick<Declaration, 'name' | 'reasons'>[]): readonly Topic[] {
  return services.filter(({ reasons }) => reasons !== undefined).map(({ name }) => deadTopic(name))
}
