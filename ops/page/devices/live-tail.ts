import { setTimeout as delay } from 'node:timers/promises'
import { ConnectorError } from '../../../connectors/contract.ts'
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
   * Gives what comes for some devices and their channels, from the first call of `take` on, which
   * has no readings if none came. Resolves once the signal is aborted.
   * @param devices asked before each round: another list is followed from then on
   * @throws ConnectorError if Kafka or the registry is not there, or if more devices would be
   *   followed than `limits.devices`
   */
  follow(devices: () => readonly string[], take: (came: TailedReadings) => void, signal: AbortSignal): Promise<void>
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
  /** Most devices that are followed at a time, each as often as it is followed. */
  readonly devices: number
}

const LIMITS: LiveTailLimits = { pauseMs: 200, bytesPerSecond: 8_000_000, countMs: 60_000, devices: 20_000 }
/** What a record takes in a batch beside its key and value, about. */
const RECORD_BYTES = 20
const MICROS_PER_MS = 1_000

/**
 * One tail for everybody who looks. While nobody does, it asks Kafka for nothing. It fetches the
 * partitions of the devices that are looked at, and decodes only their records, each once.
 */
export function createLiveTail({ tail, partitions, registry, limits: given }: LiveTailParts): LiveTail {
  const limits = { ...LIMITS, ...given }
  const followers = new Set<Follower>()
  /** Who follows a device, by its key, as of `arranged`. */
  const byName = new Map<string, Follower[]>()
  let arranged: readonly Follower[] = []
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
    arranged = []
    byName.clear()
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
    if (refuseTooMany(present)) return limits.pauseMs
    arrange(present)
    const parts = await tail.next(new Set(present.flatMap(({ partitions: of }) => [...of])))
    const bytes = await hand(parts)
    const skipped = parts.filter((part) => part.skipped > 0n).map(({ partition }) => partition)
    for (const follower of present) {
      const readings = follower.came.splice(0)
      const missed = skipped.some((partition) => follower.partitions.has(partition))
      if (follower.begun && readings.length === 0 && !missed) continue
      follower.begun = true
      follower.take({ readings, skipped: missed })
    }
    return Math.max(limits.pauseMs, (bytes / limits.bytesPerSecond) * 1000)
  }

  /** Ends those that came last. @returns whether there were any */
  function refuseTooMany(present: readonly Follower[]): boolean {
    let devices = 0
    const last = present.filter((follower) => {
      devices += follower.devices().length
      return devices > limits.devices
    })
    for (const follower of last)
      follower.fail(new ConnectorError('too-many-devices', false, `no more than ${limits.devices} devices are followed live at a time`))
    return last.length > 0
  }

  /** Finds who follows which device. Mostly that is as in the round before. */
  function arrange(present: readonly Follower[]): void {
    const located = present.filter(locate).length
    if (located === 0 && present.length === arranged.length && present.every((follower, at) => follower === arranged[at])) return
    arranged = present
    byName.clear()
    for (const follower of present)
      for (const name of follower.names) {
        const known = byName.get(name)
        if (known === undefined) byName.set(name, [follower])
        else known.push(follower)
      }
  }

  /** @returns whether its devices, or the number of partitions, are others than before */
  function locate(follower: Follower): boolean {
    const devices = follower.devices()
    if (follower.located === devices && follower.locatedOf === count) return false
    follower.located = devices
    follower.locatedOf = count
    const keys = devices.map((device) => Buffer.from(device))
    follower.names = new Set(keys.map((key) => key.toString('latin1')))
    follower.partitions = new Set(keys.map((key) => partitionOf(key, count)))
    return true
  }

  /**
   * Gives each follower the readings of its devices. A record is decoded once, and only if somebody
   * follows its device.
   * @returns bytes of all records
   */
  async function hand(parts: readonly TailPart[]): Promise<number> {
    let bytes = 0
    for (const { records } of parts)
      for (const record of records) {
        const { key, value } = record
        bytes += RECORD_BYTES + (key?.length ?? 0) + (value?.length ?? 0)
        const mine = key === null ? undefined : byName.get(key.toString('latin1'))
        if (mine === undefined) continue
        if (hasWireHeader(value)) await learn(schemaIdOf(value))
        const readings = decoded(record, lookups)
        for (const { came } of mine) came.push(...readings)
      }
    return bytes
  }

  async function learn(id: number): Promise<void> {
    if (schemas.has(id)) return
    const found = await registry.schemaOf(id)
    schemas.set(id, found?.type === 'AVRO' ? (JSON.parse(found.schema) as object) : null)
  }

  return {
    follow: (devices, take, signal) =>
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
        const fail = (cause: unknown): void => {
          leave()
          reject(cause instanceof Error ? cause : new Error(String(cause)))
        }
        const follower: Follower = {
          devices,
          take,
          fail,
          located: [],
          locatedOf: -1,
          names: new Set(),
          partitions: new Set(),
          came: [],
          begun: false,
        }
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
  readonly devices: () => readonly string[]
  readonly take: (came: TailedReadings) => void
  readonly fail: (cause: unknown) => void
  /** The devices, and the number of partitions, that `names` and `partitions` are of. */
  located: readonly string[]
  locatedOf: number
  /** Keys of its records, a character for each byte. */
  names: ReadonlySet<string>
  partitions: ReadonlySet<number>
  /** Readings of the round that goes on. */
  readonly came: LiveReading[]
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
