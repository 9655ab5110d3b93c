import avro from 'avsc'
import { readQuantities, readSchema } from '../../schemas/files.ts'
import { parseFirmware } from '../../schemas/firmware.ts'

/** A frame of hive-1, as a device would make it. Raw values: hundredths. */
export interface HiveFrame {
  readonly boot: number
  readonly seq: number
  /** Milliseconds since 1970. */
  readonly base: number
  readonly dropped?: number
  /** One per sample. */
  readonly temperature: readonly number[]
  /** Milliseconds from one to the next; a second unless it is said. */
  readonly dt?: number
}

const schema = readSchema('firmware/hive-1').json
const type = avro.Type.forSchema(schema as avro.Schema)

/** Fingerprint of hive-1, as it is in a frame. */
export const hiveFingerprint = parseFirmware(schema, new Set(readQuantities().map(({ name }) => name))).fingerprint

/** The MQTT payload: C3 01, fingerprint, datum. */
export function hiveFrame(frame: HiveFrame): Buffer {
  return Buffer.concat([Buffer.from([0xc3, 1]), hiveFingerprint, hiveDatum(frame)])
}

export function hiveDatum({ boot, seq, base, dropped = 0, temperature, dt: apart = 1000 }: HiveFrame): Buffer {
  const differences = temperature.map((value, index) => value - (temperature[index - 1] ?? 0))
  const dt = temperature.map((_, index) => (index === 0 ? 0 : apart))
  return type.toBuffer({ boot, seq, clock: 'SYNCED', base, dropped, dt, temperature: differences, humidity: [] })
}
