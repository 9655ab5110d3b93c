import type { Log, PublishHandler, RecordProducer } from '../../connectors/contract.ts'
import { createFingerprints, type Fingerprints } from '../../processors/bridge/fingerprints.ts'
import { createForwarder, type ForwarderOptions, type Received } from '../../processors/bridge/forward.ts'
import type { OutgoingRecord } from '../../processors/contract.ts'
import { createParking } from './parking.ts'
import { createRateLimiter, type RateLimitOptions } from './rate-limit.ts'

/** The registry, as the bridge needs it. */
export interface FingerprintDirectory {
  /**
   * Schema ID by fingerprint: 8 bytes, little-endian, as hexadecimal. It is another object if
   * anything has changed.
   */
  fingerprints(): ReadonlyMap<string, number>
  /**
   * Resolves when a reading of the registry that began after the call is over. Waits through
   * outages.
   */
  refresh(): Promise<void>
  /** How long the registry has not answered; 0 while it does. */
  unansweredMs(): number
}

export interface BridgeOptions {
  readonly forwarding: ForwarderOptions
  readonly directory: FingerprintDirectory
  readonly producer: RecordProducer
  /** Longest wait for the registry to learn an unknown fingerprint; 3 s unless told otherwise. */
  readonly unknownWaitMs?: number
  readonly log: Log
  /** For each device; without it there is no limit. */
  readonly rateLimit?: RateLimitOptions
}

const DEFAULT_UNKNOWN_WAIT_MS = 3_000

/**
 * Forwards messages from MQTT to Kafka. Resolves once Kafka has acknowledged all of them. Records
 * of a device go to the producer in the order of its messages, over calls too. If a fingerprint is
 * unknown, the registry is read once more before the message becomes a dead letter. What its device
 * sends meanwhile waits behind it; the messages of other devices go on.
 */
export function createBridge(options: BridgeOptions): PublishHandler {
  const { directory, producer } = options
  const { route, counters } = options.forwarding
  const forward = createForwarder(options.forwarding)
  let ids: ReadonlyMap<string, number> | undefined
  let fingerprints: Fingerprints = createFingerprints(new Map())

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

  const forwardOne = (message: Received, refuseUnknown: boolean, records: OutgoingRecord[]): boolean =>
    forward([message], 0, known(), refuseUnknown, records) === 1

  const parking = createParking({
    deadlineMs: options.unknownWaitMs ?? DEFAULT_UNKNOWN_WAIT_MS,
    refresh: () => directory.refresh(),
    unansweredMs: () => directory.unansweredMs(),
    forward: forwardOne,
    send,
    log: options.log,
    counters,
    now: () => performance.now(),
  })

  /** From the first message on whose schema is unknown, or while others wait for theirs. */
  function forwardOneByOne(publishes: readonly Received[], first: number, records: OutgoingRecord[]): readonly Promise<void>[] {
    const outcomes: Promise<void>[] = []
    for (let index = first; index < publishes.length; index++) {
      const message = publishes[index] as Received
      const to = route(message.topic)
      const device = to.tag === 'device' ? to.device : undefined
      const waits = device !== undefined && parking.has(device)
      if (!waits && forwardOne(message, false, records)) continue
      const outcome = device === undefined ? undefined : parking.park(device, message)
      if (outcome === undefined) forwardOne(message, true, records)
      else outcomes.push(outcome)
    }
    return outcomes
  }

  const forwardAll = async (publishes: readonly Received[]): Promise<void> => {
    const records: OutgoingRecord[] = []
    const done = parking.size > 0 ? 0 : forward(publishes, 0, known(), false, records)
    if (done === publishes.length) return send(records)
    const outcomes = forwardOneByOne(publishes, done, records)
    await Promise.all([send(records), ...outcomes])
  }

  if (options.rateLimit === undefined) return forwardAll
  return createRateLimiter({
    limit: options.rateLimit,
    route,
    forward: forwardAll,
    counters,
    now: () => performance.now(),
  })
}
