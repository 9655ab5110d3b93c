import { clocks } from '../../schemas/firmware.ts'
import { clockOf } from '../../schemas/frame-reader.ts'
import type { RawWriter } from '../../schemas/raw-writer.ts'
import { isSingleObject, SINGLE_OBJECT_BYTES, singleObjectFingerprint } from '../../schemas/single-object.ts'
import { WIRE_BYTES, writeWireHeader } from '../../schemas/wire-format.ts'
import { type OutgoingRecord, parseDeviceId, type RecordHeaders } from '../contract.ts'
import type { DeadLetter, DeadLetterCodec } from '../dead-letter.ts'
import { DeadLetterBudget, type DeadLetterLimits } from '../dead-letter-budget.ts'
import { deadTopic, topics } from '../topics.ts'
import { CodecError } from '../translate/codecs/codec.ts'
import type { BridgeCounters } from './counters.ts'
import { bridge } from './declaration.ts'
import { type EstimatedTimes, mostSamples } from './estimated-times.ts'
import type { Fingerprints } from './fingerprints.ts'
import { TextRefusal } from './json-text.ts'
import { OverRate, type OverRateNote } from './over-rate.ts'
import type { DropReason, Reason } from './reasons.ts'
import { type Destination, identityOf, type Router, UPTIME_OF_BROKER } from './routes.ts'
import { readUptime } from './session.ts'
import type { StatusEncoder } from './status.ts'
import type { UnknownTopics } from './unknown-topics.ts'

/** A message as it came from MQTT. A frame's payload is overwritten when it is forwarded. */
export interface Received {
  readonly topic: string
  readonly payload: Buffer
  readonly retain: boolean
  /** Milliseconds since 1970. */
  readonly receivedMs: number
  /** It is over its device's rate, and becomes a dead letter, whatever it is. */
  readonly overRate?: boolean
  /** Least moment of receipt of a raw record: microseconds since 1970. `receivedMs` if absent. */
  readonly estimateMicros?: number
}

export interface ForwarderOptions {
  readonly route: Router
  readonly status: StatusEncoder
  /** Of records of status: the fingerprint of their schema. */
  readonly statusHeaders?: RecordHeaders
  readonly codec: DeadLetterCodec
  /** Largest payload that is forwarded. */
  readonly payloadBytes: number
  /** Largest dead letter that Kafka takes. */
  readonly deadLetterBytes: number
  /** Version of this program, for dead letters. */
  readonly version: string
  /** How much is kept of what a device sends over its rate, and of unknown topics. */
  readonly keptDeadLetters: DeadLetterLimits
  /** Counts messages of topics that no route takes. */
  readonly unknownTopics: UnknownTopics
  /** Whether these become dead letters. */
  readonly keepUnknown: boolean
  readonly raw: Pick<RawWriter, 'write'>
  /** Of raw records: the fingerprint of their schema. */
  readonly rawHeaders?: RecordHeaders
  /** Largest raw record. */
  readonly rawBytes: number
  /** Moments of receipt that no two messages of one identity share. */
  readonly receipts: EstimatedTimes
  readonly counters: BridgeCounters
}

/**
 * Turns messages from `first` on into records, and appends them to `records` in order: frames and
 * statuses for the topics of their routes, and dead letters. Returns the index at which it stopped:
 * the number of messages, or the index of a message whose fingerprint is unknown. With
 * `registryIsFresh` it does not stop there: such a message becomes a dead letter.
 */
export type Forward = (
  messages: readonly Received[],
  first: number,
  fingerprints: Fingerprints,
  registryIsFresh: boolean,
  records: OutgoingRecord[],
) => number

type Device = Extract<Destination, { tag: 'device' }>
type Identified = Extract<Destination, { key: Buffer }>

const MICROS_PER_MILLI = 1000
const OVER_RATE = 'its device sends more than it may (bridge.rate_limit)'
const SHOWN_CHARACTERS = 200
/**
 * Most characters of a topic in a dead letter. A device's topic is shorter; a stranger's may take
 * 65,535 bytes.
 */
const TOPIC_CHARACTERS = 1_000

export function createForwarder(options: ForwarderOptions): Forward {
  const { route, counters, payloadBytes } = options
  const dead = deadTopic(bridge.name)
  const overRate = new OverRate(options.keptDeadLetters)
  const unknownBudget = new DeadLetterBudget(options.keptDeadLetters)
  let records: OutgoingRecord[] = []

  return (messages, first, fingerprints, registryIsFresh, into) => {
    records = into
    const stopped = forwardFrom(messages, first, fingerprints, registryIsFresh)
    const last = messages[stopped - 1]
    if (last !== undefined) for (const note of overRate.due(last.receivedMs)) sayOverRate(note)
    return stopped
  }

  function forwardFrom(messages: readonly Received[], first: number, fingerprints: Fingerprints, registryIsFresh: boolean): number {
    for (let index = first; index < messages.length; index++) {
      const message = messages[index] as Received
      if (!forwardOrRefuse(message, fingerprints)) {
        if (!registryIsFresh) return index
        refuse(message, route(message.topic), 'unknown-fingerprint', describeUnknown(message.payload))
      }
      counters.payloadBytes += message.payload.length
    }
    return messages.length
  }

  function forwardOrRefuse(message: Received, fingerprints: Fingerprints): boolean {
    try {
      return forward(message, fingerprints)
    } catch (cause) {
      // If it were thrown on, the same message would come back for ever, and no other would get
      // past it.
      return refuse(message, route(message.topic), 'defect', String(cause))
    }
  }

  /** False if the fingerprint is unknown: nothing has been done with the message then. */
  function forward(message: Received, fingerprints: Fingerprints): boolean {
    const to = route(message.topic)
    if (to.tag === 'broker') return note(message)
    if (message.overRate === true) return refuseRate(message, to)
    if (to.tag === 'device') return to.route.carries === 'frames' ? forwardTelemetry(message, to, fingerprints) : forwardStatus(message, to)
    if (to.tag === 'raw') return forwardRaw(message, to)
    if (to.tag === 'dialect-status') return forwardDialectStatus(message, to)
    if (to.tag === 'no-route') return takeUnknown(message, to)
    return refuse(message, to, 'bad-device-id', badDevice(to.text))
  }

  /** Takes what the broker says about itself. */
  function note({ topic, payload, receivedMs }: Received): true {
    const text = payload.toString('latin1')
    if (topic === UPTIME_OF_BROKER) {
      const seconds = readUptime(text)
      if (seconds !== undefined) counters.brokerUptime = { seconds, heardMs: receivedMs }
      return true
    }
    const figure = Number(text)
    if (payload.length > 0 && Number.isSafeInteger(figure)) counters.brokerDropped = figure
    return true
  }

  function forwardTelemetry(message: Received, to: Device, fingerprints: Fingerprints): boolean {
    const { payload } = message
    if (payload.length > payloadBytes) return refuseSize(message, to)
    if (!isSingleObject(payload)) return forwardRaw(message, to)
    if (message.retain && clockOf(payload, SINGLE_OBJECT_BYTES) === clocks.uptime)
      return refuse(message, to, 'retained', 'a frame that the broker had retained, and it gives an uptime: expected a time of day')
    const schema = fingerprints.find(payload, 2)
    if (schema === undefined) return false
    // In place: the wire header takes the last 5 of the header's 10 bytes, so the datum need not be
    // copied. Nothing reads the old header again.
    writeWireHeader(payload, SINGLE_OBJECT_BYTES - WIRE_BYTES, schema.id)
    counters.frames++
    records.push({
      topic: to.route.topic,
      key: to.key,
      value: payload.subarray(SINGLE_OBJECT_BYTES - WIRE_BYTES),
      timestampMs: message.receivedMs,
      headers: schema.headers,
    })
    return true
  }

  /** The bytes as they came. A dialect says what is in them. */
  function forwardRaw(message: Received, to: Identified): true {
    const { topic, payload, retain, receivedMs, estimateMicros = receivedMs * MICROS_PER_MILLI } = message
    if (payload.length === 0) return drop('empty-payload')
    if (payload.length > payloadBytes) return refuseSize(message, to)
    const receivedMicros = options.receipts.take(identityOf(to) ?? topic, estimateMicros, mostSamples(payload))
    const value = options.raw.write(topic, payload, receivedMicros, retain)
    if (value.length > options.rawBytes)
      return refuse(
        message,
        to,
        'over-size',
        `expected a record of at most ${options.rawBytes} bytes, with its topic this takes ${value.length}`,
      )
    counters.raw++
    records.push({ topic: topics.raw, key: to.key, value, timestampMs: receivedMs, headers: options.rawHeaders })
    return true
  }

  /** State of a device as a dialect reads it. */
  function forwardDialectStatus(message: Received, to: Extract<Destination, { tag: 'dialect-status' }>): true {
    const { payload, receivedMs } = message
    if (payload.length === 0) return drop('status-cleared')
    if (payload.length > payloadBytes) return refuseSize(message, to)
    let read: ReturnType<typeof to.read>
    try {
      read = to.read(payload)
    } catch (cause) {
      if (cause instanceof CodecError) return refuse(message, to, 'bad-status', cause.message)
      throw cause
    }
    if (read === undefined) return drop('status-cleared')
    const device = parseDeviceId(read.device)
    if (device === undefined) return refuse(message, to, 'bad-device-id', badDevice(read.device))
    counters.statuses++
    const value = options.status({ ...message, payload: Buffer.from(JSON.stringify({ state: read.state })) }, device)
    records.push({ topic: topics.deviceStatus, key: Buffer.from(device), value, timestampMs: receivedMs, headers: options.statusHeaders })
    return true
  }

  function takeUnknown(message: Received, to: Destination): true {
    const { topic, payload, receivedMs } = message
    options.unknownTopics.note(message)
    if (!options.keepUnknown || payload.length === 0) return drop('no-route')
    if (!unknownBudget.admit(Buffer.from(topic.slice(0, SHOWN_CHARACTERS)), 'no-route', payload.length, receivedMs)) {
      counters.unkept++
      return drop('no-route')
    }
    return refuse(
      message,
      to,
      'no-route',
      `no route and no dialect takes ${shown(topic)}; once one does: millrace redrive bridge --reason no-route`,
    )
  }

  function forwardStatus(message: Received, to: Device): boolean {
    const { payload } = message
    if (payload.length === 0) return drop('status-cleared')
    if (payload.length > payloadBytes) return refuseSize(message, to)
    let value: Buffer
    try {
      value = options.status(message, to.device)
    } catch (cause) {
      if (cause instanceof TextRefusal) return refuse(message, to, 'bad-status', cause.message)
      throw cause
    }
    counters.statuses++
    records.push({ topic: to.route.topic, key: to.key, value, timestampMs: message.receivedMs, headers: options.statusHeaders })
    return true
  }

  function refuseSize(message: Received, to: Destination): true {
    return refuse(message, to, 'over-size', `expected at most ${payloadBytes} bytes, got ${message.payload.length}`)
  }

  function refuseRate(message: Received, to: Destination): true {
    if (overRate.admit(message, keyOf(to))) return refuse(message, to, 'over-rate', OVER_RATE)
    counters.dead['over-rate']++
    counters.unkept++
    return true
  }

  function sayOverRate({ topic, key, receivedMs, records: kept, messages, bytes }: OverRateNote): void {
    const detail = `${OVER_RATE}; ${messages} messages with ${bytes} bytes are not kept`
    const told = deadLetter({ topic, receivedMs }, key, null, 'over-rate', detail)
    const value = options.codec.encode({ ...told, records: kept })
    records.push({
      topic: dead,
      key,
      value: value.length <= options.deadLetterBytes ? value : options.codec.encode(told),
      timestampMs: receivedMs,
    })
  }

  function drop(reason: DropReason): true {
    counters.dropped[reason]++
    return true
  }

  function refuse(message: Received, to: Destination, reason: Reason, detail: string): true {
    counters.dead[reason]++
    const { length } = message.topic
    if (length > TOPIC_CHARACTERS) detail += `; its topic of ${length} characters is cut`
    const key = keyOf(to)
    let value = options.codec.encode(deadLetter(message, key, message.payload, reason, detail))
    if (value.length > options.deadLetterBytes) {
      // Kafka would refuse it each time that the broker sends it again, and nothing would get past
      // it. It goes without a value: a part of the value could be taken for the whole.
      const size = message.payload.length
      value = options.codec.encode(
        deadLetter(
          message,
          key,
          null,
          reason,
          `${detail}; its ${size} bytes are left out: a dead letter may have ${options.deadLetterBytes}`,
        ),
      )
    }
    records.push({ topic: dead, key, value, timestampMs: message.receivedMs })
    return true
  }

  function deadLetter(
    message: Pick<Received, 'topic' | 'receivedMs'>,
    key: Buffer | null,
    value: Buffer | null,
    reason: Reason,
    detail: string,
  ): DeadLetter {
    return {
      source_topic: message.topic.length > TOPIC_CHARACTERS ? `${message.topic.slice(0, TOPIC_CHARACTERS)}…` : message.topic,
      source_partition: -1,
      source_offset: -1,
      source_timestamp: message.receivedMs,
      samples: [],
      quantities: [],
      key,
      value,
      records: [],
      reason,
      detail,
      processor: bridge.name,
      processor_version: options.version,
      attempt: 1,
      first_failed: message.receivedMs,
      last_failed: message.receivedMs,
    }
  }
}

function keyOf(to: Destination): Buffer | null {
  return 'key' in to ? to.key : null
}

function badDevice(text: string): string {
  return `expected a device ID (1 to 64 of A-Z a-z 0-9 _ -), got ${shown(text)}`
}

/** It ends in the command to run then. */
function describeUnknown(payload: Buffer): string {
  const fingerprint = singleObjectFingerprint(payload)
  return `the registry has no schema with fingerprint ${fingerprint}; once it has (millrace schemas register FILE): millrace redrive bridge --reason unknown-fingerprint --fingerprint ${fingerprint}`
}

function shown(text: string): string {
  return JSON.stringify(text.length > SHOWN_CHARACTERS ? `${text.slice(0, SHOWN_CHARACTERS)}…` : text)
}
