import { openSender } from './sender.ts'

/** A good reading in JSON, as it must be stored. */
export interface GoodReading {
  readonly tsMs: number
  readonly temperature: number
  /** What it has beside the temperature, by quantity. */
  readonly others?: Readonly<Record<string, number>>
}

/** A message that must become a dead letter. */
export interface Poison {
  /** Topic of the dead letter. */
  readonly deadLetters: string
  readonly reason: string
  /** Stands in the dead letter's value or key, and in no other's. */
  readonly mark: Buffer
}

/** What a device last said about itself. */
export interface SentStatus {
  readonly state: 'ready' | 'sleeping'
  readonly boot: number
  readonly firmware: string
}

/**
 * Publishes, beside the fleets, what devices without our firmware do: JSON, and nonsense of each
 * kind.
 */
export interface Publisher extends AsyncDisposable {
  readonly good: readonly GoodReading[]
  /** Of the device that moves from account to account. */
  readonly moved: readonly GoodReading[]
  /** The last status of each device that sends some. */
  readonly statuses: ReadonlyMap<string, SentStatus>
  readonly poison: readonly Poison[]
  /** Stops publishing, and resolves once all is acknowledged. */
  drain(): Promise<void>
}

/** The device that sends good JSON, and the one that sends values out of range. */
export const JSON_DEVICE = 'chaos-json'
export const POISON_DEVICE = 'chaos-poison'
/** It changes its account during the run. */
export const MOVING_DEVICE = 'chaos-moving'
export const STATUS_DEVICES: readonly string[] = Array.from({ length: 8 }, (_, number) => `chaos-status-${number}`)

interface Message {
  readonly topic: string
  readonly payload: Buffer
  readonly poison?: Poison
  readonly good?: GoodReading
  readonly moved?: GoodReading
  readonly status?: readonly [device: string, status: SentStatus]
}

const INTERVAL_MS = 100

/**
 * @param url of the broker
 * @param fingerprint of a registered firmware: 8 bytes
 */
export async function startPublisher(url: string, fingerprint: Buffer): Promise<Publisher> {
  const sender = await openSender(url, 'chaos-publisher')
  const good: GoodReading[] = []
  const poison: Poison[] = []
  const moved: GoodReading[] = []
  const statuses = new Map<string, SentStatus>()
  let number = 0
  const timer = setInterval(() => {
    publish(nth(number++, fingerprint))
    if (number % 3 === 0) publish(beside(number))
  }, INTERVAL_MS)

  function publish(message: Message): void {
    if (message.good !== undefined) good.push(message.good)
    if (message.moved !== undefined) moved.push(message.moved)
    if (message.poison !== undefined) poison.push(message.poison)
    if (message.status !== undefined) statuses.set(...message.status)
    sender.publish(message.topic, message.payload)
  }

  return {
    good,
    moved,
    statuses,
    poison,
    async drain() {
      clearInterval(timer)
      await sender.drain()
    },
    async [Symbol.asyncDispose]() {
      clearInterval(timer)
      await sender[Symbol.asyncDispose]()
    },
  }
}

/** Readings of the device that moves, with the time of now, and statuses, in turns. */
function beside(number: number): Message {
  if (number % 2 === 0) {
    const moved = { tsMs: Date.now(), temperature: (number % 4000) / 100 }
    return {
      topic: telemetry(MOVING_DEVICE),
      payload: Buffer.from(JSON.stringify({ ts: moved.tsMs, temperature: moved.temperature })),
      moved,
    }
  }
  const turn = Math.floor(number / 6)
  const device = STATUS_DEVICES[turn % STATUS_DEVICES.length] ?? ''
  const state = Math.floor(turn / STATUS_DEVICES.length) % 2 === 0 ? 'ready' : 'sleeping'
  const status: SentStatus = { state, boot: number, firmware: `chaos-${number}` }
  return { topic: `devices/${device}/status`, payload: Buffer.from(JSON.stringify(status)), status: [device, status] }
}

/** Three of four are good. */
function nth(number: number, fingerprint: Buffer): Message {
  if (number % 4 !== 0) {
    const reading = { tsMs: Date.now() - 3_600_000 + number, temperature: (number % 4000) / 100 }
    const payload = JSON.stringify({ ts: reading.tsMs, temperature: reading.temperature })
    return { topic: telemetry(JSON_DEVICE), payload: Buffer.from(payload), good: reading }
  }
  // With a separator after it: poison 12 is not found in poison 123.
  const mark = Buffer.from(`poison ${number};`)
  const bad = (device: string, payload: Buffer, deadLetters: string, reason: string, found = mark): Message => ({
    topic: telemetry(device),
    payload,
    poison: { deadLetters, reason, mark: found },
  })
  const frame = (print: Buffer): Buffer => Buffer.concat([Buffer.from([0xc3, 0x01]), print, mark])
  switch ((number / 4) % 6) {
    case 0:
      return bad(POISON_DEVICE, mark, 'translate.dead', 'bad-payload')
    case 1:
      return bad(POISON_DEVICE, Buffer.from(`{"temperature": "${mark.toString()}"}`), 'translate.dead', 'bad-value')
    case 2:
      return bad(POISON_DEVICE, frame(Buffer.from('no such!')), 'bridge.dead', 'unknown-fingerprint')
    case 3:
      return bad(POISON_DEVICE, frame(fingerprint), 'standardise.dead', 'malformed-frame')
    case 4: {
      const stranger = `stranger-${number}-`
      return bad(stranger, Buffer.from('{"temperature": 20}'), 'translate.dead', 'unknown-device', Buffer.from(stranger))
    }
    default: {
      const payload = Buffer.from(`{"temperature": ${100_000 + number}}`)
      return bad(POISON_DEVICE, payload, 'translate.dead', 'out-of-range', payload)
    }
  }
}

function telemetry(device: string): string {
  return `devices/${device}/telemetry`
}
