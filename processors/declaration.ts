/**
 * What a service declares. Everything around it follows from that: topics, subjects, lag, status,
 * redrive, metrics, and the documentation of its reasons.
 */
import type { AvroSchema } from '../schemas/avro-schema.ts'
import type { ConsumerName, LookupName, Output, Processor, ReasonDoc, Topic } from './contract.ts'
import type { LookupTables } from './lookup-table.ts'
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
   * `device`, the default: shared out by device, in as many partitions as configured.
   * `clock`: one partition, which Kafka writes its time to. `latest`: one partition, of each key
   * the last value.
   */
  readonly holds?: 'device' | 'clock' | 'latest'
}

/**
 * `prompt`, the default: records come at once. `gathered` and `unhurried`: a fetch waits up to 0.3
 * and 1 s for a good amount, which costs a fraction of the CPU.
 */
export type Pace = 'prompt' | 'gathered' | 'unhurried'

/** How a consumer group fetches. */
export interface FetchSettings {
  readonly pace?: Pace
  /**
   * Most bytes of a partition in one fetch. A record that is larger comes alone. Default:
   * 1,000,000.
   */
  readonly partitionBytes?: number
  /** Partition n of every topic goes to the same member. Every member of the group must set it. */
  readonly coPartitioned?: boolean
}

export interface Declaration {
  /**
   * Name of its folder and of its consumer group, label of its metrics, prefix of its dead-letter
   * topic.
   */
  readonly name: ConsumerName
  /** Topics that its consumer group reads. None if it does not read from Kafka. */
  readonly reads: readonly Topic[]
  /**
   * Who decides where it resumes: Kafka, or a database. If a database does, what the group commits
   * to Kafka is for lag tools only.
   */
  readonly offsets: 'kafka' | 'telemetry' | 'app'
  readonly fetching: FetchSettings
  /** Topics that it writes, without its dead letters. */
  readonly writes: readonly WrittenTopic[]
  readonly needs: readonly LookupName[]
  /** Tables of the app database that it looks up. None if absent. */
  readonly tables?: LookupTables | undefined
  /**
   * Closed list of the reasons for which it refuses records. Undefined if it has no dead letters.
   */
  readonly reasons: Readonly<Record<string, ReasonDoc>> | undefined
  /** Default port of its metrics. Undefined if the configuration must name one. */
  readonly metricsPort: number | undefined
  /**
   * Niceness of its process if all services run on one machine. A service that may be late gives
   * way to the line.
   */
  readonly niceness?: number
}

/** The kind says what runs it. */
export type DeclaredService = (Declaration & { readonly kind: 'bridge' | 'store' | 'continuity' }) | DeclaredProcessor | DeclaredProcess

export interface DeclaredProcessor extends Declaration {
  readonly kind: 'processor'
  readonly processor: AnyProcessor
}

export interface DeclaredProcess extends Declaration {
  readonly kind: 'process'
  readonly businessProcess: BusinessProcess<unknown>
  /** Folder with migrations of its own for the app database. Absent if it has none. */
  readonly migrations?: string
}

/**
 * Most bytes of a partition in one fetch. It is little, because dense frames become readings of ten
 * times their size, and all partitions are fetched together.
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
    tables: processor.tables,
    reasons: processor.reasons,
    metricsPort: processor.metricsPort,
  }
}

/** It gives way to the line, which must not be late because of it. */
const PROCESS_NICENESS = 5

/** @param name of its folder */
export function declareProcess(name: string, businessProcess: BusinessProcess<unknown>): DeclaredProcess {
  return {
    kind: 'process',
    businessProcess,
    name: name as ConsumerName,
    reads: [businessProcess.from.topic],
    offsets: businessProcess.database,
    // Each batch is a transaction of many statements: what came in a moment goes into one.
    fetching: { pace: 'gathered' },
    niceness: PROCESS_NICENESS,
    writes: Object.values(businessProcess.to),
    needs: businessProcess.needs,
    tables: businessProcess.tables,
    reasons: businessProcess.reasons,
    metricsPort: businessProcess.metricsPort,
  }
}

/** Topics that a service writes, of the kinds that are asked for. */
export function writtenTopics({ writes }: Pick<Declaration, 'writes'>, ...kinds: readonly WrittenTopic['holds'][]): readonly Topic[] {
  return writes.filter(({ holds = 'device' }) => kinds.includes(holds)).map(({ topic }) => topic)
}

/** The dead-letter topics of these services. A service without reasons has none. */
export function deadTopics(services: readonly Pick<Declaration, 'name' | 'reasons'>[]): readonly Topic[] {
  return services.filter(({ reasons }) => reasons !== undefined).map(({ name }) => deadTopic(name))
}
