import { setTimeout as delay } from 'node:timers/promises'
import { partitionOf } from '../../../connectors/kafka/partition.ts'
import type { TailPart, TopicTail } from '../../../connectors/kafka/topic-tail.ts'
import type { SchemaRegistry } from '../../../connectors/registry/registry.ts'
import type { KafkaRecord, Lookups } from '../../../processors/contract.ts'
import { readingFrames } from '../../../processors/topics.ts'
import { MalformedError } from '../../../schemas/frame-reader.ts'
import { quantities } from '../../../schemas/generated/readings.ts'
import type { ReadingsReader } from '../../../schemas/readings-reader.ts'
import { hasWireHeader, schemaIdOf } from '../../../schemas/wire-format.ts'
import type { LiveReading } from './messages.ts'

/** What came for a device. */
export interface TailedReadings {
  readonly readings: readonly LiveReading[]
  /** Whether some were passed over since the last call. */
  readonly skipped: boolean
}

/** Readings as they are published, of the devices that somebody looks at. */
export interface LiveTail extends AsyncDisposable {
  /**
   * Gives what comes for a device and its channels, from the first call of `take` on, which has no
   * readings if none came. Resolves once the signal is aborted.
   * @throws ConnectorError if Kafka or the registry is not there
   */
  follow(device: string, take: (came: TailedReadings) => void, signal: AbortSignal): Promise<void>
}

export interface LiveTailParts {
  /** Of telemetry.readings. */
  readonly tail: TopicTail
  /** How many partitions the topic has now. */
  readonly partitions: () => Promise<number>
  readonly registry: Pick<SchemaRegistry, 'schemaOf'>
  readonly limits?: Partial<LiveTailLimits>
}

export interface LiveTailLimits {
  /** Pause between two fetches. */
  readonly pauseMs: number
  /** Most bytes a second that are read of all partitions together. */
  readonly bytesPerSecond: number
  /** The number of partitions is asked for so often. */
  readonly countMs: number
}

const LIMITS: LiveTailLimits = { pauseMs: 200, bytesPerSecond: 8_000_000, countMs: 60_000 }
/** What a record takes in a batch beside its key and value, about. */
const RECORD_BYTES = 20
const MICROS_PER_MS = 1_000

/**
 * One tail for everybody who looks. While nobody does, it asks Kafka for nothing. It fetches the
 * partitions of the devices that are looked at, and decodes only their records.
 */
export function createLiveTail({ tail, partitions, registry, limits: given }: LiveTailParts): LiveTail {
  const limits = { ...LIMITS, ...given }
  const followers = new Set<Follower>()
  const schemas = new Map<number, object | null>()
  const lookups = { schema: (id: number) => schemas.get(id) ?? undefined } as Pick<Lookups, 'schema'> as Lookups
  let running: Promise<void> | undefined
  let count = 0
  let countedAt = Number.NEGATIVE_INFINITY

  async function run(): Promise<void> {
    try {
      while (followers.size > 0) await delay(await round())
    } catch (cause) {
      countedAt = Number.NEGATIVE_INFINITY
      for (const follower of followers) follower.fail(cause)
    } finally {
      running = undefined
    }
    // Nobody looks, or it failed: no connection stays.
    await tail[Symbol.asyncDispose]()
  }

  /** @returns milliseconds until the next one */
  async function round(): Promise<number> {
    if (performance.now() - countedAt >= limits.countMs) {
      count = await partitions()
      countedAt = performance.now()
    }
    // Whoever comes during the round is in the next one.
    const present = [...followers]
    for (const follower of present) follower.partition = partitionOf(follower.key, count)
    const parts = await tail.next(new Set(present.map(({ partition }) => partition)))
    const [came, bytes] = await sorted(present, parts)
    const skipped = new Set(parts.filter((part) => part.skipped > 0n).map(({ partition }) => partition))
    for (const follower of present) {
      const records = came.get(follower.name) ?? []
      if (follower.begun && records.length === 0 && !skipped.has(follower.partition)) continue
      follower.begun = true
      follower.take({ readings: records.flatMap((record) => decoded(record, lookups)), skipped: skipped.has(follower.partition) })
    }
    return Math.max(limits.pauseMs, (bytes / limits.bytesPerSecond) * 1000)
  }

  /** The records of each device that is looked at, once their schemas are known. */
  async function sorted(
    present: readonly Follower[],
    parts: readonly TailPart[],
  ): Promise<readonly [ReadonlyMap<string, readonly KafkaRecord[]>, number]> {
    const came = new Map<string, KafkaRecord[]>(present.map(({ name }) => [name, []]))
    let bytes = 0
    for (const { records } of parts)
      for (const record of records) {
        const { key, value } = record
        bytes += RECORD_BYTES + (key?.length ?? 0) + (value?.length ?? 0)
        const mine = key === null ? undefined : came.get(key.toString('latin1'))
        if (mine === undefined) continue
        mine.push(record)
        if (hasWireHeader(value)) await learn(schemaIdOf(value))
      }
    return [came, bytes]
  }

  async function learn(id: number): Promise<void> {
    if (schemas.has(id)) return
    const found = await registry.schemaOf(id)
    schemas.set(id, found?.type === 'AVRO' ? (JSON.parse(found.schema) as object) : null)
  }

  return {
    follow: (device, take, signal) =>
      new Promise((resolve, reject) => {
        if (signal.aborted) return resolve()
        const leave = (): void => {
          followers.delete(follower)
          signal.removeEventListener('abort', left)
        }
        const left = (): void => {
          leave()
          resolve()
        }
        const key = Buffer.from(device)
        const fail = (cause: unknown): void => {
          leave()
          reject(cause instanceof Error ? cause : new Error(String(cause)))
        }
        const follower: Follower = { key, name: key.toString('latin1'), take, fail, partition: -1, begun: false }
        signal.addEventListener('abort', left, { once: true })
        followers.add(follower)
        running ??= run()
      }),
    async [Symbol.asyncDispose]() {
      followers.clear()
      await running
      await tail[Symbol.asyncDispose]()
    },
  }
}

interface Follower {
  /** Of the records of its device. */
  readonly key: Buffer
  /** The key, a character for each byte. */
  readonly name: string
  readonly take: (came: TailedReadings) => void
  readonly fail: (cause: unknown) => void
  partition: number
  /** Whether `take` was called. */
  begun: boolean
}

function decoded(record: KafkaRecord, lookups: Lookups): readonly LiveReading[] {
  const readings: LiveReading[] = []
  try {
    readingFrames.decode(record, lookups, (reader) => {
      for (let sample = 0; sample < reader.count; sample++) readings.push(readingOf(reader, sample))
    })
  } catch (cause) {
    // The store makes a dead letter of it.
    if (!(cause instanceof MalformedError)) throw cause
  }
  return readings
}

function readingOf(reader: ReadingsReader, sample: number): LiveReading {
  const values: Record<string, number> = {}
  for (const [index, column] of reader.values.entries()) {
    const value = column?.[sample] ?? Number.NaN
    const quantity = quantities[index]
    if (quantity !== undefined && !Number.isNaN(value)) values[quantity.name] = value
  }
  return { deviceId: reader.deviceId, ts: (reader.ts[sample] as number) / MICROS_PER_MS, values }
}
