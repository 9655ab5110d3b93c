import type { Log } from '../../connectors/contract.ts'
import type { BridgeCounters } from '../../processors/bridge/counters.ts'
import type { Received } from '../../processors/bridge/forward.ts'
import { type Parked, ParkedDevices, type ParkingLimits } from '../../processors/bridge/parked-devices.ts'
import { WaitBudget } from '../../processors/bridge/wait-budget.ts'
import type { DeviceId, OutgoingRecord } from '../../processors/contract.ts'
import { singleObjectFingerprint } from '../../schemas/single-object.ts'

export interface ParkingOptions {
  /** Longest wait for the registry. What is unknown then becomes a dead letter. */
  readonly deadlineMs: number
  /**
   * Resolves when a reading of the registry that began after the call is over. Waits through
   * outages.
   */
  readonly refresh: () => Promise<void>
  /** How long the registry has not answered; 0 while it does. */
  readonly unansweredMs: () => number
  /**
   * Appends the records of a message. False if its fingerprint is unknown, unless `refuseUnknown`:
   * then it becomes a dead letter.
   */
  readonly forward: (message: Received, refuseUnknown: boolean, records: OutgoingRecord[]) => boolean
  /** Hands records to the producer within this turn; resolves once Kafka has them. */
  readonly send: (records: readonly OutgoingRecord[]) => Promise<void>
  readonly log: Log
  readonly counters: BridgeCounters
  /** Milliseconds of a clock that does not go back. */
  readonly now: () => number
}

/**
 * Where messages with an unknown schema wait, each device's in order. The messages of other devices
 * go on.
 */
export interface Parking {
  /** Messages that wait. */
  readonly size: number
  /** Whether messages of the device wait. If so, its next message must wait too. */
  has(device: DeviceId): boolean
  /**
   * Parks a message. Resolves once Kafka has what became of it. Undefined if it may not wait. Then
   * no message of its device waits any more, and the caller forwards it at once: as a dead letter,
   * if its schema is unknown.
   */
  park(device: DeviceId, message: Received): Promise<void> | undefined
}

/**
 * PUBACKs leave in the order of their messages (MQTT-4.6.0-2). So those of all messages after a
 * parked one wait with it; after a receive maximum of them the broker sends no more. That is why
 * these bound how much of the time one device, or all together, may make the others wait.
 */
const DEVICE_SHARE = 0.1
const TOTAL_SHARE = 0.2
const ALL = ''
const LIMITS: ParkingLimits = { deviceMessages: 1_000, deviceBytes: 1 << 20, messages: 5_000, bytes: 16 << 20 }
/** Most fingerprints that the log names, each once. */
const MOST_NAMED = 1_000

interface Entry extends Parked {
  readonly device: DeviceId
  readonly settled: (outcome: Promise<void>) => void
}

export function createParking(options: ParkingOptions): Parking {
  const { deadlineMs, now, log, counters } = options
  const parked = new ParkedDevices<Entry>(LIMITS)
  const devices = new WaitBudget({ mostMs: deadlineMs, share: DEVICE_SHARE })
  const total = new WaitBudget({ mostMs: 2 * deadlineMs, share: TOTAL_SHARE })
  /** Since when messages wait. */
  let sinceMs = 0
  let count = 0
  let timer: NodeJS.Timeout | undefined
  let reading = false
  const named = new Set<string>()

  function mayWait(device: DeviceId, nowMs: number): boolean {
    if (parked.has(device)) return true
    if (options.unansweredMs() >= deadlineMs) return false
    return devices.allows(device, nowMs) && total.allows(ALL, nowMs, parked.size > 0 ? nowMs - sinceMs : 0)
  }

  /**
   * Forwards messages from the heads of the queues: those whose schema is known, and, as dead
   * letters, those that may wait no longer.
   */
  function settle(mayWaitOn: (entry: Entry) => boolean, only?: DeviceId): void {
    const nowMs = now()
    const records: OutgoingRecord[] = []
    const taken = parked.take((entry) => {
      if (options.forward(entry.message, false, records)) return true
      if (mayWaitOn(entry)) return false
      nameUnknown(entry.device, entry.message)
      return options.forward(entry.message, true, records)
    }, only)
    if (taken.length === 0) return
    const waited = new Map<DeviceId, number>()
    for (const { device, parkedMs } of taken) waited.set(device, Math.max(waited.get(device) ?? 0, nowMs - parkedMs))
    for (const [device, waitedMs] of waited) devices.spend(device, waitedMs, nowMs)
    if (parked.size === 0) total.spend(ALL, nowMs - sinceMs, nowMs)
    const outcome = options.send(records)
    for (const { settled } of taken) settled(outcome)
    schedule()
  }

  function schedule(): void {
    clearTimeout(timer)
    const oldestMs = parked.oldestMs()
    if (oldestMs === undefined) return
    timer = setTimeout(
      () => {
        const nowMs = now()
        settle(({ parkedMs }) => nowMs - parkedMs < deadlineMs)
        schedule()
      },
      Math.max(1, Math.ceil(oldestMs + deadlineMs - now())),
    )
  }

  /**
   * Reads the registry for the messages that wait now, and again for those that have come
   * meanwhile.
   */
  async function look(): Promise<void> {
    reading = true
    try {
      while (parked.size > 0) {
        const before = count
        await options.refresh()
        settle(({ number }) => number >= before)
      }
    } catch (cause) {
      // The bridge is ending, or the registry is no longer read. The deadline settles what waits.
      log.warn('the registry was not read for a fingerprint', { cause: String(cause) })
    } finally {
      reading = false
    }
  }

  function nameUnknown(device: DeviceId, { payload }: Received): void {
    const fingerprint = singleObjectFingerprint(payload)
    if (named.has(fingerprint) || named.size >= MOST_NAMED) return
    named.add(fingerprint)
    log.warn('the registry does not know a fingerprint', { fingerprint, device })
  }

  return {
    get size() {
      return parked.size
    },
    has: (device) => parked.has(device),
    park(device, message) {
      const nowMs = now()
      const full = parked.full(device, message.payload.length)
      if (full !== undefined) settle(() => false, full === 'device' ? device : undefined)
      if (full !== undefined) return undefined
      if (!mayWait(device, nowMs)) {
        nameUnknown(device, message)
        return undefined
      }
      if (parked.size === 0) sinceMs = nowMs
      counters.parked++
      const outcome = new Promise<void>((resolve) => {
        parked.add(device, { device, message, parkedMs: nowMs, number: count++, settled: resolve })
      })
      if (parked.size === 1) schedule()
      if (!reading) void look()
      return outcome
    },
  }
}
