import type { Log, RecordProducer } from '../connectors/contract.ts'
import { createProducer } from '../connectors/kafka/producer.ts'
import { createReadingsSink } from '../connectors/postgres/readings-sink.ts'
import { openFirmwareDirectory } from '../connectors/registry/firmware-directory.ts'
import { createRegistry, type SchemaRegistry } from '../connectors/registry/registry.ts'
import { openSchemaDirectory } from '../connectors/registry/schema-directory.ts'
import type { ConsumerName, Topic } from '../processors/contract.ts'
import type { LayoutLookup } from '../processors/store/fill.ts'
import { deadTopic, topics, valueSubject } from '../processors/topics.ts'
import { readQuantities } from '../schemas/files.ts'
import type { Config } from './config.ts'
import { countPartitions, kafkaClient } from './kafka.ts'
import { openLookups } from './lookups.ts'
import { bridgeWay } from './redrive-bridge.ts'
import { processorWay } from './redrive-processor.ts'
import { storeWay } from './redrive-store.ts'
import type { RedriveWay } from './redrive-way.ts'
import { deadLetterCodec, registeredId } from './registered.ts'
import { loadProcessor, outputSchemaIds } from './run.ts'
import { layoutOf } from './store.ts'

export interface RedriveLineOptions {
  readonly config: Config
  readonly processor: string
  /** Number of the run. */
  readonly run: bigint
  /** ID of the topic of dead letters. */
  readonly topicId: string
  readonly log: Log
  readonly signal: AbortSignal
}

/** A processor's way, wired, and the producer for what fails again. */
export interface RedriveLine extends AsyncDisposable {
  readonly way: RedriveWay
  readonly producer: RecordProducer
}

interface Parts extends RedriveLineOptions {
  readonly registry: SchemaRegistry
  readonly producer: RecordProducer
}

/** Wires the processor as its service does, without reading its topic. */
export async function openRedriveLine(options: RedriveLineOptions): Promise<RedriveLine> {
  const { config, processor, log, signal } = options
  const registry = createRegistry(config.env.REGISTRY_URL)
  const kafka = kafkaClient(config, 'millrace-redrive', log)
  const partitions = await countPartitions(kafka, [deadTopic(processor), ...(await outputs(processor))])
  const producer = await createProducer({ kafka, partitions, log, signal, counters: { records: 0, bytes: 0, requests: 0, retries: 0 } })
  const parts = { ...options, registry, producer }
  const way = await (processor === 'bridge' ? openBridge(parts) : processor === 'store' ? openStore(parts) : openProcessor(parts))
  return {
    way,
    producer,
    async [Symbol.asyncDispose]() {
      await way[Symbol.asyncDispose]()
      await producer[Symbol.asyncDispose]()
    },
  }
}

async function outputs(processor: string): Promise<readonly Topic[]> {
  if (processor === 'bridge') return [topics.frames, topics.deviceStatus]
  if (processor === 'store') return []
  return Object.values((await loadProcessor(processor)).to).map(({ topic }) => topic)
}

async function openBridge({ config, registry, producer, log, signal }: Parts): Promise<RedriveWay> {
  const directory = await openFirmwareDirectory({ registry, quantities: new Set(readQuantities().map(({ name }) => name)), log, signal })
  return bridgeWay({
    config,
    directory,
    statusSchemaId: await registeredId(registry, topics.deviceStatus, 'device-status'),
    deadLetters: await deadLetterCodec(registry, deadTopic('bridge')),
    producer,
    close: async () => directory[Symbol.asyncDispose](),
  })
}

async function openProcessor({ config, processor: name, registry, producer, log, signal }: Parts): Promise<RedriveWay> {
  const processor = await loadProcessor(name)
  const lookups = await openLookups({ config, registry, needs: processor.needs, log, signal })
  return processorWay({
    name,
    processor,
    schemaIds: await outputSchemaIds(registry, processor),
    lookups,
    deadLetters: await deadLetterCodec(registry, deadTopic(name)),
    producer,
    close: async () => lookups[Symbol.asyncDispose](),
  })
}

async function openStore({ config, registry, run, topicId, log, signal }: Parts): Promise<RedriveWay> {
  let layouts = new Map<number, LayoutLookup>()
  const schemas = await openSchemaDirectory({
    registry,
    prefix: valueSubject(topics.readings),
    log,
    signal,
    changed: (entries) => {
      layouts = new Map(entries.map(({ id, json }) => [id, layoutOf(json)]))
    },
  })
  const sink = createReadingsSink({
    url: config.env.TELEMETRY_DATABASE_URL,
    backend: config.store.backend,
    quantities: readQuantities(),
    log,
  })
  return storeWay({
    sink,
    consumer: `store.redrive.${run}` as ConsumerName,
    topicId,
    prepare: (ids) => schemas.prepare(ids),
    layout: (id) => layouts.get(id) ?? { tag: 'unknown' },
    batchRows: config.store.batch_rows,
    log,
    signal,
    close: async () => {
      await sink[Symbol.asyncDispose]()
      await schemas[Symbol.asyncDispose]()
    },
  })
}
