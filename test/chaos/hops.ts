import type { KafkaClient } from '../../connectors/kafka/client.ts'
import { topics } from '../../processors/topics.ts'
import { datumHash } from './ledger.ts'
import { createOrder, type Order } from './order.ts'
import { readTopic } from './topic-reader.ts'

/** The frames of the fleets at each hop between Mosquitto and the database. */
export interface Hops {
  readonly frames: Order
  readonly readings: Order
}

/** Magic 0 and the schema's ID. */
const HEADER_BYTES = 5

/** Reads both topics from their beginning. */
export async function readHops(kafka: KafkaClient, isFleet: (device: string) => boolean): Promise<Hops> {
  const frames = createOrder()
  await readTopic(kafka, topics.frames, ({ key, value }) => {
    const device = key?.toString('latin1') ?? ''
    if (value === null || !isFleet(device)) return
    const [boot, next] = int(value, HEADER_BYTES)
    const [seq] = int(value, next)
    frames.add(device, boot, seq, datumHash(value.subarray(HEADER_BYTES)))
  })
  const readings = createOrder()
  await readTopic(kafka, topics.readings, ({ key, value }) => {
    const device = key?.toString('latin1') ?? ''
    if (value === null || !isFleet(device)) return
    const [boot, next] = int(value, skipString(value, skipString(value, HEADER_BYTES)))
    const [seq] = int(value, next)
    readings.add(device, boot, seq, datumHash(value.subarray(HEADER_BYTES)))
  })
  return { frames, readings }
}

/** An Avro int, and where the next field begins. */
function int(bytes: Buffer, start: number): readonly [number, number] {
  let value = 0
  let at = start
  for (let shift = 0; ; shift += 7) {
    const byte = bytes.readUInt8(at++)
    value |= (byte & 0x7f) << shift
    if (byte < 0x80) return [(value >>> 1) ^ -(value & 1), at]
  }
}

function skipString(bytes: Buffer, start: number): number {
  const [length, at] = int(bytes, start)
  return at + length
}
