import { clocks, type Firmware } from '../../schemas/firmware.ts'
import { MOST_SAMPLES } from '../../schemas/frame-reader.ts'
import { WIRE_BYTES, writeWireHeader } from '../../schemas/wire-format.ts'
import type { RecordPart, Rejection } from '../contract.ts'
import type { EstimatedTimes } from './estimated-times.ts'
import { JsonRefusal, JsonSamples } from './json-samples.ts'
import { JsonText } from './json-text.ts'

/** A JSON message and its device. */
export interface JsonMessage {
  readonly payload: Buffer
  readonly device: string
  /** Microseconds since 1970: the time of its samples if it gives none. */
  readonly receivedMicros: number
  /**
   * Whether it came out of the broker's store of retained messages. If it did, the moment of
   * receipt says nothing about its samples.
   */
  readonly retained: boolean
  /** The part of it that a redrive is about. */
  readonly only?: RecordPart | undefined
}

/** Encodes JSON messages as frames. */
export interface JsonFrameEncoder {
  /**
   * The registry's header, then a datum of schemas/firmware/generic-json.avsc.
   * @throws TextRefusal if nothing of the message can be taken
   */
  encode(message: JsonMessage, schemaId: number): Buffer
  /** What the last `encode` left out. */
  readonly rejections: readonly Rejection[]
}

const INT_BYTES = 5
const LONG_BYTES = 10

/**
 * Values are absolute doubles. A quantity without any reading in the message has an empty array.
 * Boot, frame number and `dropped` are 0, because the JSON does not have them. Times are
 * microseconds. If a message has none, they are decided here, once, and travel in the frame as
 * ESTIMATED, so that every replay has the same. Samples keep their order; `dt` is negative if time
 * goes back.
 * @param generic the firmware that generic-json.avsc declares
 */
export function createJsonFrameEncoder(generic: Firmware, times: EstimatedTimes): JsonFrameEncoder {
  const wrong = generic.metrics.find(
    ({ kind, numerator, addend, denominator }) => kind !== 'double' || numerator !== denominator || addend !== 0,
  )
  if (wrong) throw new RangeError(`${generic.id}: expected every metric to be an array of unscaled doubles, which ${wrong.name} is not`)
  if (generic.tickMicros !== 1 || generic.dtKind !== 'long' || generic.clockCount !== 3)
    throw new RangeError(`${generic.id}: expected times in microseconds, dt an array of long, and a clock that may be ESTIMATED`)
  const text = new JsonText()
  const samples = new JsonSamples(
    generic.metrics.map(({ standard }) => standard),
    MOST_SAMPLES,
  )

  function datum(schemaId: number, clock: number, base: number): Buffer {
    const { count, micros, columns, present, values, timed } = samples
    const dtBytes = timed ? LONG_BYTES : 1
    const most =
      WIRE_BYTES + 4 * INT_BYTES + LONG_BYTES + INT_BYTES + dtBytes * count + present.length * (INT_BYTES + 1) + columns * count * 8 + 1
    const bytes = Buffer.allocUnsafe(most)
    let at = writeWireHeader(bytes, 0, schemaId)
    bytes[at++] = 0
    bytes[at++] = 0
    at = writeLong(bytes, at, clock)
    at = writeLong(bytes, at, base)
    bytes[at++] = 0
    at = writeLong(bytes, at, count)
    let previous = base
    for (let sample = 0; sample < count; sample++) {
      const time = timed ? (micros[sample] as number) : base + sample
      at = writeLong(bytes, at, time - previous)
      previous = time
    }
    bytes[at++] = 0
    for (let quantity = 0; quantity < present.length; quantity++) {
      if (present[quantity] === 1) {
        const column = values[quantity] as Float64Array
        at = writeLong(bytes, at, count)
        for (let sample = 0; sample < count; sample++) at = bytes.writeDoubleLE(column[sample] as number, at)
      }
      bytes[at++] = 0
    }
    return bytes.subarray(0, at)
  }

  return {
    encode({ payload, device, receivedMicros, retained, only }, schemaId) {
      text.read(payload)
      samples.read(text.parse(payload), text.text, text.quotes, only)
      if (retained && !samples.timed)
        throw new JsonRefusal('a message that the broker had retained, and it gives no time: expected "ts"', 'retained')
      return samples.timed
        ? datum(schemaId, clocks.synced, samples.micros[0] as number)
        : datum(schemaId, clocks.estimated, times.take(device, receivedMicros, samples.count))
    },
    get rejections() {
      return samples.rejections
    },
  }
}

/**
 * Avro's int and long: zigzag, then 7 bits a byte, least significant first. Exact for integers
 * below 2^52.
 */
function writeLong(bytes: Buffer, from: number, value: number): number {
  let at = from
  let rest = value >= 0 ? value * 2 : -value * 2 - 1
  while (rest >= 0x80) {
    bytes[at++] = (rest % 128) + 128
    rest = Math.floor(rest / 128)
  }
  bytes[at++] = rest
  return at
}
