import type { PublishHandler, RecordProducer } from '../../connectors/contract.ts'
import type { BridgeCounters } from '../../processors/bridge/counters.ts'
import { createEstimatedTimes } from '../../processors/bridge/estimated-times.ts'
import { createFingerprints, type Fingerprints } from '../../processors/bridge/fingerprints.ts'
import { createForwarder, type Received } from '../../processors/bridge/forward.ts'
import { createJsonFrameEncoder } from '../../processors/bridge/json-frame.ts'
import { createRouter, type Route } from '../../processors/bridge/routes.ts'
import { createStatusEncoder } from '../../processors/bridge/status.ts'
import type { OutgoingRecord } from '../../processors/contract.ts'
import { createDeadLetterCodec } from '../../processors/dead-letter.ts'
import type { Firmware } from '../../schemas/firmware.ts'
import { createRateLimiter, type RateLimitOptions } from './rate-limit.ts'

/** The registry, as the bridge needs it. */
export interface FingerprintDirectory {
  /** Schema ID by fingerprint: 8 bytes, little-endian, as hexadecimal. Another object whenever it has changed. */
  fingerprints(): ReadonlyMap<string, number>
  /** Reads the registry again, unless that was done a moment ago. Waits through outages. */
  refresh(): Promise<void>
}

export interface BridgeOptions {
  readonly routes: readonly Route[]
  readonly directory: FingerprintDirectory
  readonly producer: RecordProducer
  /** What schemas/firmware/generic-json.avsc declares. */
  readonly generic: Firmware
  /** Parsed schemas and their IDs in the registry. */
  readonly deviceStatus: { readonly schema: unknown; readonly schemaId: number }
  readonly deadLetter: { readonly schema: unknown; readonly schemaId: number }
  /** Larger payloads are dead letters. */
  readonly payloadBytes: number
  /** Largest frame that a JSON message may become. */
  readonly frameBytes: number
  /** Largest dead letter; a larger one goes without the message's bytes. */
  readonly letterBytes: number
  readonly version: string
  readonly counters: BridgeCounters
  /** For each device; without it there is no limit. */
  readonly rateLimit?: RateLimitOptions
}

/**
 * Forwards what comes from MQTT to Kafka; resolves once Kafka has acknowledged all of it. Records go to the producer in the order of the
 * messages, over calls too. An unknown fingerprint makes it read the registry once more before the message becomes a dead letter;
 * what comes meanwhile waits behind it, so that no device's frames overtake one another.
 */
export function createBridge(options: BridgeOptions): PublishHandler {
  const { directory, producer } = options
  const route = createRouter(options.routes)
  const forward = createForwarder({
    route,
    jsonFrame: createJsonFrameEncoder(options.generic, createEstimatedTimes()),
    jsonFingerprint: options.generic.fingerprint,
    status: createStatusEncoder(options.deviceStatus.schema, options.deviceStatus.schemaId),
    deadLetters: createDeadLetterCodec(options.deadLetter.schema, options.deadLetter.schemaId),
    payloadBytes: options.payloadBytes,
    frameBytes: options.frameBytes,
    letterBytes: options.letterBytes,
    version: options.version,
    counters: options.counters,
  })
  let ids: ReadonlyMap<string, number> | undefined
  let fingerprints: Fingerprints = createFingerprints(new Map())
  let waiting = 0
  let turn: Promise<void> = Promise.resolve()

  function known(): Fingerprints {
    const now = directory.fingerprints()
    if (now !== ids) {
      ids = now
      fingerprints = createFingerprints(now)
    }
    return fingerprints
  }

  async function send(records: readonly OutgoingRecord[]): Promise<void> {
    if (records.length > 0) await producer.send(records)
  }

  const forwardAll = async (publishes: readonly Received[]): Promise<void> => {
    const records: OutgoingRecord[] = []
    const done = waiting > 0 ? 0 : forward(publishes, 0, known(), false, records)
    if (done === publishes.length) return send(records)

    let sent: Promise<void> | undefined
    const finish = async (): Promise<void> => {
      const at = forward(publishes, done, known(), false, records)
      if (at < publishes.length) {
        await directory.refresh()
        forward(publishes, at, known(), true, records)
      }
      // Handed to the producer within this turn, awaited after it: the next turn need not wait for Kafka.
      sent = send(records)
    }
    waiting++
    const mine = turn.then(finish)
    turn = mine.then(
      () => void waiting--,
      () => void waiting--,
    )
    await mine
    await sent
  }

  if (options.rateLimit === undefined) return forwardAll
  return createRateLimiter({
    limit: options.rateLimit,
    route,
    forward: forwardAll,
    counters: options.counters,
    now: () => performance.now(),
  })
}
