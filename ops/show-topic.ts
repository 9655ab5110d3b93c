import { setTimeout as delay } from 'node:timers/promises'
import type { Log } from '../connectors/contract.ts'
import { type KafkaClient, openAdmin } from '../connectors/kafka/client.ts'
import { type Extent, scanTopic, topicExtents } from '../connectors/kafka/scan.ts'
import { offsetsAt, topicNames } from '../connectors/kafka/topics.ts'
import type { SchemaRegistry } from '../connectors/registry/registry.ts'
import type { KafkaRecord, Topic } from '../processors/contract.ts'
import { avroType } from '../schemas/avro-type.ts'
import { hasWireHeader, schemaIdOf, WIRE_BYTES } from '../schemas/wire-format.ts'
import { ConfigError } from '../services/config.ts'

export interface ShowTopicOptions {
  readonly kafka: KafkaClient
  readonly registry: SchemaRegistry
  readonly topic: string
  /** Key of the records; without it, those of all keys. */
  readonly device?: string | undefined
  /** Received at or after this: milliseconds since 1970. */
  readonly fromMs: number
  /** Most records: the newest. */
  readonly most: number
  /** How long to wait for a first record if there is none yet. */
  readonly waitMs: number
  readonly log: Log
  readonly signal: AbortSignal
}

interface Found {
  readonly partition: number
  readonly record: KafkaRecord
}

const POLL_MS = 200

/**
 * Records of a topic, each as a line of JSON, in order of their receipt: the newest that were there
 * when it was called, or, if there was none, the first that came within the wait. It reads without
 * a trace. Waits through outages of Kafka; without schemas from the registry it rejects.
 * @throws ConfigError if there is no such topic
 */
export async function showTopic(options: ShowTopicOptions): Promise<readonly string[]> {
  const { kafka, most, waitMs, signal } = options
  const topic = await existing(kafka, options.topic)
  const deadline = Date.now() + waitMs
  let begins = await offsetsFrom(kafka, topic, options.fromMs)
  for (;;) {
    const extents = (await topicExtents(kafka, topic)).map((extent) => later(extent, begins.get(extent.partition)))
    const found = await read(options, topic, extents)
    if (found.length > 0 || Date.now() >= deadline) return await lines(newest(found, most), options.registry)
    begins = new Map(extents.map(({ partition, end }) => [partition, end]))
    await delay(POLL_MS, undefined, { signal })
  }
}

async function existing(kafka: KafkaClient, name: string): Promise<Topic> {
  await using admin = openAdmin(kafka)
  const names = await topicNames(admin)
  const topic = names.find((each) => each === name)
  if (topic !== undefined) return topic
  const shown = names.filter((each) => !each.startsWith('_')).sort()
  throw new ConfigError(
    `there is no topic ${JSON.stringify(name)}: \`millrace migrate\` creates those of the configuration; there is ${shown.join(', ') || 'none'}`,
  )
}

async function offsetsFrom(kafka: KafkaClient, topic: Topic, fromMs: number): Promise<ReadonlyMap<number, bigint>> {
  await using admin = openAdmin(kafka)
  return await offsetsAt(admin, topic, fromMs)
}

function later(extent: Extent, begin = extent.earliest): Extent {
  return begin > extent.earliest ? { ...extent, earliest: begin } : extent
}

async function read(
  { kafka, device, most, fromMs, log, signal }: ShowTopicOptions,
  topic: Topic,
  extents: readonly Extent[],
): Promise<readonly Found[]> {
  let kept: Found[] = []
  await scanTopic({
    kafka,
    topic,
    // Without a key to look for, the last ones of each partition are enough.
    extents: device === undefined ? extents.map((extent) => later(extent, extent.end - BigInt(most))) : extents,
    log,
    signal,
    handle: async ({ partition, records }) => {
      for (const record of records) {
        if (record.timestampMs < fromMs || (device !== undefined && record.key?.toString() !== device)) continue
        // What was fetched is a part of a larger buffer, which would stay for it.
        kept.push({ partition, record: { ...record, value: record.value === null ? null : Buffer.from(record.value) } })
      }
      if (kept.length > 2 * most) kept = newest(kept, most)
    },
  })
  return kept
}

function newest(found: readonly Found[], most: number): Found[] {
  const order = (a: Found, b: Found): number =>
    a.record.timestampMs - b.record.timestampMs || a.partition - b.partition || (a.record.offset < b.record.offset ? -1 : 1)
  return [...found].sort(order).slice(-most)
}

async function lines(found: readonly Found[], registry: SchemaRegistry): Promise<readonly string[]> {
  const schemas = new Map<number, Promise<Decode | undefined>>()
  const decodeOf = (id: number): Promise<Decode | undefined> => {
    const known = schemas.get(id) ?? decoder(registry, id)
    schemas.set(id, known)
    return known
  }
  return await Promise.all(
    found.map(async ({ partition, record: { offset, key, value, timestampMs } }) => {
      const decode = hasWireHeader(value) ? await decodeOf(schemaIdOf(value)) : undefined
      const head = { partition, offset: Number(offset), received: new Date(timestampMs).toISOString(), key: key?.toString() ?? null }
      return JSON.stringify({ ...head, ...shown(value, decode) }, base64)
    }),
  )
}

type Decode = (datum: Buffer) => unknown

async function decoder(registry: SchemaRegistry, id: number): Promise<Decode | undefined> {
  const found = await registry.schemaOf(id)
  if (found?.type !== 'AVRO') return undefined
  const type = avroType(JSON.parse(found.schema))
  return (datum) => type.fromBuffer(datum)
}

/** The value if it is Avro of a known schema, or JSON; else its bytes, and what is wrong. */
function shown(value: Buffer | null, decode: Decode | undefined): Readonly<Record<string, unknown>> {
  if (value === null) return { value: null }
  try {
    if (decode !== undefined) return { value: decode(value.subarray(WIRE_BYTES)) }
    if (hasWireHeader(value)) return { bytes: value, problem: `the registry has no Avro schema ${schemaIdOf(value)}` }
    return { value: JSON.parse(value.toString()) as unknown }
  } catch (cause) {
    return { bytes: value, problem: decode === undefined ? 'neither Avro nor JSON' : String(cause) }
  }
}

/** Bytes as base64. JSON.stringify has made an object of them before it asks. */
function base64(this: unknown, key: string, value: unknown): unknown {
  const own = (this as Readonly<Record<string, unknown>>)[key]
  if (Buffer.isBuffer(own)) return own.toString('base64')
  return typeof value === 'bigint' ? String(value) : value
}
