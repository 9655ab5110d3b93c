import type { Firmware } from '../../schemas/firmware.ts'
import { JsonRefusal, parseJsonSamples } from './json-samples.ts'

/** Encodes a JSON message as a frame: the registry's header, then a datum of schemas/firmware/generic-json.avsc. Throws JsonRefusal. */
export type JsonFrameEncoder = (text: string, schemaId: number) => Buffer

const HEADER_BYTES = 5
const INT_BYTES = 5
const LONG_BYTES = 10
const SYNCED = 0
const UPTIME = 1

/**
 * Values are absolute doubles; a quantity without any reading in the message has an empty array. Boot, frame number and `dropped` are 0:
 * nothing in the JSON tells them. A message without times is UPTIME with base 0, so that the moment of receipt becomes its time, marked
 * as estimated. Samples keep their order; `dt` is negative where time goes back.
 * @param generic the firmware that generic-json.avsc declares
 */
export function createJsonFrameEncoder(generic: Firmware): JsonFrameEncoder {
  const wrong = generic.metrics.find(
    ({ kind, numerator, addend, denominator }) => kind !== 'double' || numerator !== denominator || addend !== 0,
  )
  if (wrong) throw new RangeError(`${generic.id}: expected every metric to be an array of unscaled doubles, which ${wrong.name} is not`)
  const standards = generic.metrics.map(({ standard }) => standard)
  const quantities = new Set(standards)

  return (text, schemaId) => {
    const { count, timesMs, columns } = parseJsonSamples(text, quantities)
    const most =
      HEADER_BYTES + 4 * INT_BYTES + LONG_BYTES + INT_BYTES * (count + 2) + standards.length * (INT_BYTES + 1) + columns.size * count * 8
    const bytes = Buffer.allocUnsafe(most)
    bytes[0] = 0
    let at = bytes.writeUInt32BE(schemaId, 1)
    at = writeLong(bytes, at, 0)
    at = writeLong(bytes, at, 0)
    at = writeLong(bytes, at, timesMs === undefined ? UPTIME : SYNCED)
    at = writeLong(bytes, at, timesMs?.[0] ?? 0)
    at = writeLong(bytes, at, 0)
    at = writeLong(bytes, at, count)
    let previousMs = timesMs?.[0] ?? 0
    for (let index = 0; index < count; index++) {
      const timeMs = timesMs?.[index] ?? 0
      const difference = timeMs - previousMs
      if (difference !== (difference | 0)) {
        throw new JsonRefusal(
          `sample ${index}: expected a "ts" within 24 days of the sample before, got ${new Date(timeMs).toJSON() ?? timeMs}; use a message each`,
        )
      }
      at = writeLong(bytes, at, difference)
      previousMs = timeMs
    }
    bytes[at++] = 0
    for (const standard of standards) {
      const column = columns.get(standard)
      if (column !== undefined) {
        at = writeLong(bytes, at, count)
        for (const value of column) at = bytes.writeDoubleLE(value, at)
      }
      bytes[at++] = 0
    }
    return bytes.subarray(0, at)
  }
}

/** Avro's int and long: zigzag, then 7 bits a byte, least significant first. Exact for integers below 2^52. */
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
