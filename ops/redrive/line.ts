import type { Log, RecordProducer } from '../../connectors/contract.ts'
import { createProducer } from '../../connectors/kafka/producer.ts'
import { createRegistry } from '../../connectors/registry/registry.ts'
import type { ConsumerName, Topic } from '../../processors/contract.ts'
import type { DeadLetter } from '../../processors/dead-letter.ts'
import { type DeclaredService, writtenTopics } from '../../processors/declaration.ts'
import { receiptOf } from '../../processors/receipt.ts'
import { deadTopic } from '../../processors/topics.ts'
import { type Config, ConfigError } from '../../services/config.ts'
import { declaredService } from '../../services/declared.ts'
import { countPartitions, kafkaClient, topicLimits } from '../../services/kafka.ts'
import { openBridgeWay } from './bridge.ts'
import { kafkaTime } from './kafka-time.ts'
import { openProcessWay } from './process.ts'
import { openProcessorWay } from './processor.ts'
import { openStoreWay } from './store.ts'
import type { RedriveWay, WayParts } from './way.ts'

export interface RedriveLineOptions {
  readonly config: Config
  readonly service: DeclaredService
  /** Number of the run. */
  readonly run: bigint
  /** ID of the topic of dead letters. */
  readonly topicId: string
  /** Reason that the run is restricted to. */
  readonly reason: string | undefined
  readonly log: Log
  readonly signal: AbortSignal
}

/** A processor's way, connected, and the producer for what fails again. */
export interface RedriveLine extends AsyncDisposable {
  readonly way: RedriveWay
  readonly producer: RecordProducer
  /**
   * Largest value of a record that each topic takes that the run sends to, the dead letters' topic
   * included.
   */
  readonly limits: ReadonlyMap<Topic, number>
}

/** Connects the processor as its service does, without reading its topic. */
export async function openRedriveLine(options: RedriveLineOptions): Promise<RedriveLine> {
  const { config, service, log, signal } = options
  const registry = createRegistry(config.env.REGISTRY_URL)
  const kafka = kafkaClient(config, 'millrace-redrive', log)
  const to = [deadTopic(service.name), ...writtenTopics(service, 'device')]
  const partitions = await countPartitions(kafka, to)
  const limits = await topicLimits(kafka, config, to)
  const counters = { bytes: 0, retries: 0 }
  const producer = await createProducer({ kafka, partitions, limits, log, signal, counters })
  const now = await kafkaTime(kafka, log)
  const receipt = (deadLetter: DeadLetter): number => receiptOf(deadLetter, now(), options.reason)
  const consumer = `${service.name}.redrive.${options.run}` as ConsumerName
  const way = await openWay(service, { ...options, name: service.name, consumer, receipt, registry, producer, limits })
  return {
    way,
    producer,
    limits,
    async [Symbol.asyncDispose]() {
      await way[Symbol.asyncDispose]()
      await producer[Symbol.asyncDispose]()
    },
  }
}

/**
 * The service whose dead letters are redriven.
 * @throws ConfigError if there is no such service, or it has no dead letters
 */
export async function redrivable(config: Config, name: string): Promise<DeclaredService> {
  const service = await declaredService(config, name)
  if (service.reasons === undefined) throw new ConfigError(`${name} has no dead letters`)
  return service
}

function openWay(service: DeclaredService, parts: WayParts): Promise<RedriveWay> {
  switch (service.kind) {
    case 'bridge':
      return openBridgeWay(parts)
    case 'store':
      return openStoreWay(parts)
    case 'process':
      return openProcessWay(parts, service.businessProcess)
    case 'processor':
      return openProcessorWay(parts, service.processor)
    case 'continuity':
      throw new ConfigError(`${service.name} has no dead letters`)
  }
}
