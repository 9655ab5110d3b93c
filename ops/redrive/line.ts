import type { Log, RecordProducer } from '../../connectors/contract.ts'
import { createProducer } from '../../connectors/kafka/producer.ts'
import { noteRedriven } from '../../connectors/postgres/continuity-redriven.ts'
import { createDatabase } from '../../connectors/postgres/database.ts'
import { createProcessRunner } from '../../connectors/postgres/process-runner.ts'
import { createReadingsSink } from '../../connectors/postgres/readings-sink.ts'
import { openFirmwareDirectory } from '../../connectors/registry/firmware-directory.ts'
import { createRegistry, type SchemaRegistry } from '../../connectors/registry/registry.ts'
import { openSchemaDirectory } from '../../connectors/registry/schema-directory.ts'
import type { ConsumerName, KafkaRecord, Topic } from '../../processors/contract.ts'
import type { DeadLetter } from '../../processors/dead-letter.ts'
import { type AnyProcessor, type DeclaredService, writtenTopics } from '../../processors/declaration.ts'
import type { BusinessProcess } from '../../processors/process.ts'
import { receiptOf } from '../../processors/receipt.ts'
import type { LayoutLookup } from '../../processors/store/layouts.ts'
import { deadTopic, topics, valueSubject } from '../../processors/topics.ts'
import { readQuantities } from '../../schemas/files.ts'
import { deviceStatusSchema } from '../../schemas/generated/device-status.ts'
import { type Config, ConfigError } from '../../services/config.ts'
import { declaredService } from '../../services/declared.ts'
import { countPartitions, kafkaClient, topicLimits } from '../../services/kafka.ts'
import { openLookups, schemasOf } from '../../services/lookups.ts'
import { outputHeaders, outputSchemaIds } from '../../services/processor/service.ts'
import { openDeadLetterCodec, registeredId } from '../../services/registered.ts'
import { firmwareOptions } from '../../services/schema-registry.ts'
import { layoutsOf } from '../../services/store/service.ts'
import { bridgeWay } from './bridge.ts'
import { kafkaTime } from './kafka-time.ts'
import { processWay } from './process.ts'
import { processorWay } from './processor.ts'
import { storeWay } from './store.ts'
import type { RedriveWay } from './way.ts'

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

interface Parts extends RedriveLineOptions {
  /** When a dead letter's record counts as received. */
  readonly receipt: (deadLetter: DeadLetter) => number
  readonly registry: SchemaRegistry
  readonly producer: RecordProducer
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
  const counters = { records: 0, bytes: 0, requests: 0, retries: 0 }
  const producer = await createProducer({ kafka, partitions, limits, log, signal, counters })
  const now = await kafkaTime(kafka, log)
  const receipt = (deadLetter: DeadLetter): number => receiptOf(deadLetter, now(), options.reason)
  const way = await openWay(service, { ...options, receipt, registry, producer, limits })
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

function openWay(service: DeclaredService, parts: Parts): Promise<RedriveWay> {
  switch (service.kind) {
    case 'bridge':
      return openBridge(parts)
    case 'store':
      return openStore(parts)
    case 'process':
      return openProcess(parts, service.businessProcess)
    case 'processor':
      return openProcessor(parts, service.processor)
    case 'continuity':
      throw new ConfigError(`${service.name} has no dead letters`)
  }
}

async function openBridge({ config, service, receipt, registry, producer, limits, log, signal }: Parts): Promise<RedriveWay> {
  const directory = await openFirmwareDirectory(firmwareOptions(config, log, signal))
  return bridgeWay({
    config,
    receipt,
    limits,
    directory,
    statusSchemaId: await registeredId(registry, topics.deviceStatus, deviceStatusSchema),
    codec: await openDeadLetterCodec(registry, deadTopic(service.name)),
    producer,
    close: async () => directory[Symbol.asyncDispose](),
  })
}

async function openProcessor(
  { config, service: { name }, receipt, registry, producer, limits, log, signal }: Parts,
  processor: AnyProcessor,
): Promise<RedriveWay> {
  const lookups = await openLookups(processor, { config, log, signal })
  return processorWay({
    name,
    processor,
    schemaIds: await outputSchemaIds(registry, processor),
    headers: outputHeaders(processor),
    limits,
    lookups,
    receipt,
    codec: await openDeadLetterCodec(registry, deadTopic(name)),
    producer,
    close: async () => lookups[Symbol.asyncDispose](),
  })
}

async function openProcess(
  { config, service, run, topicId, log, signal }: Parts,
  businessProcess: BusinessProcess<unknown>,
): Promise<RedriveWay> {
  const lookups = await openLookups(businessProcess, { config, log, signal })
  const runner = createProcessRunner({ url: config.env.APP_DATABASE_URL, log })
  return processWay({
    businessProcess,
    runner,
    consumer: `${service.name}.redrive.${run}` as ConsumerName,
    topicId,
    lookups,
    log,
    signal,
    close: async () => {
      await runner[Symbol.asyncDispose]()
      await lookups[Symbol.asyncDispose]()
    },
  })
}

async function openStore({ config, service, receipt, registry, run, topicId, log, signal }: Parts): Promise<RedriveWay> {
  let layouts: (record: KafkaRecord) => LayoutLookup = () => ({ tag: 'unknown' })
  const schemas = await openSchemaDirectory({
    registry,
    prefix: valueSubject(topics.readings),
    ownSubject: () => valueSubject(topics.readings),
    log,
    signal,
    changed: (known) => {
      layouts = layoutsOf(known)
    },
  })
  const sink = createReadingsSink({
    url: config.env.TELEMETRY_DATABASE_URL,
    backend: config.store.backend,
    conflicts: config.store.conflicts,
    quantities: readQuantities(),
    log,
  })
  const database = createDatabase({ url: config.env.TELEMETRY_DATABASE_URL, applicationName: 'millrace redriven frames' })
  return storeWay({
    sink,
    consumer: `${service.name}.redrive.${run}` as ConsumerName,
    topicId,
    receipt,
    prepare: (records) => schemas.prepare(schemasOf(records)),
    layout: (record) => layouts(record),
    batchRows: config.store.batch_rows,
    stored: (frames) => database.use((session) => noteRedriven(session, frames)),
    log,
    signal,
    close: async () => {
      await database[Symbol.asyncDispose]()
      await sink[Symbol.asyncDispose]()
      await schemas[Symbol.asyncDispose]()
    },
  })
}
