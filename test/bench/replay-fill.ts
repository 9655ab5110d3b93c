import { createProducer } from '../../connectors/kafka/producer.ts'
import { createRegistry } from '../../connectors/registry/registry.ts'
import type { OutgoingRecord } from '../../processors/contract.ts'
import { DAY_MS } from '../../processors/store/time-ranges.ts'
import { readings, topics } from '../../processors/topics.ts'
import { quantities, readingsSchema } from '../../schemas/generated/readings.ts'
import type { ReadingsColumns } from '../../schemas/readings-writer.ts'
import type { Config } from '../../services/config.ts'
import { countPartitions, kafkaClient } from '../../services/kafka.ts'
import { registeredId, schemaHeaders } from '../../services/registered.ts'
import { quiet } from '../pipeline/stack-clients.ts'

/** A fleet whose devices measure at a fixed interval, for some days up to now. */
export interface FleetShape {
  readonly devices: number
  readonly days: number
  /** A multiple of `SAMPLES_OF_RECORD`. */
  readonly samplesOfDay: number
  /** Midnight before the first sample, milliseconds since 1970. */
  readonly beginMs: number
}

/** As of a full frame. */
export const SAMPLES_OF_RECORD = 25
/** A frame in 50 is received some hours late. */
const LATE_OF = 50
const LATE_ROUNDS = 10
const MEASURED: Readonly<Record<string, (wave: number, noise: number) => number>> = {
  temperature: (wave, noise) => 20 + 8 * wave + 0.3 * noise,
  humidity: (wave, noise) => 60 + 15 * wave + noise,
  battery_voltage: (wave, noise) => 3.7 + 0.1 * wave + 0.01 * noise,
}

export const deviceName = (device: number): string => `hive-${device}`

/**
 * Fills telemetry.readings, with the encoder and the producer of a processor, in the order of
 * receipt.
 * @param filled called now and then with the number of readings so far
 */
export async function fillReadings(config: Config, shape: FleetShape, filled: (readings: number) => void): Promise<void> {
  const kafka = kafkaClient(config, 'millrace-bench', quiet)
  const schemaId = await registeredId(createRegistry(config.env.REGISTRY_URL), topics.readings, readingsSchema)
  const encode = readings.encoder(schemaId, config.topics.max_message_bytes)
  const headers = schemaHeaders(readingsSchema)
  const stop = new AbortController()
  await using producer = await createProducer({
    kafka,
    partitions: await countPartitions(kafka, [topics.readings]),
    log: quiet,
    signal: stop.signal,
    counters: { bytes: 0, retries: 0 },
  })
  const roundsOfDay = shape.samplesOfDay / SAMPLES_OF_RECORD
  const rounds = shape.days * roundsOfDay
  let sent = 0
  for (let round = 0; round < rounds + LATE_ROUNDS; round++) {
    const receivedMs = shape.beginMs + ((round + 1) * DAY_MS) / roundsOfDay
    const records: OutgoingRecord[] = []
    for (let device = 0; device < shape.devices; device++)
      for (const measured of [round, round - LATE_ROUNDS]) {
        if (measured < 0 || measured >= rounds || isLate(device, measured) !== measured < round) continue
        for (const value of [encode(columns(shape, device, measured))].flat())
          records.push({
            topic: topics.readings,
            key: Buffer.from(deviceName(device)),
            value: Buffer.from(value),
            timestampMs: receivedMs,
            headers,
          })
      }
    await producer.send(records)
    sent += records.length * SAMPLES_OF_RECORD
    filled(sent)
  }
}

function isLate(device: number, round: number): boolean {
  return (device * 31 + round) % LATE_OF === 0
}

/** A frame: samples of one device, evenly in time. Devices differ by milliseconds. */
function columns(shape: FleetShape, device: number, round: number): ReadingsColumns {
  const everyMicros = (DAY_MS * 1000) / shape.samplesOfDay
  const first = round * SAMPLES_OF_RECORD
  const of = <T>(each: (sample: number) => T): T[] => Array.from({ length: SAMPLES_OF_RECORD }, (_, sample) => each(first + sample))
  const micros = (sample: number): number => shape.beginMs * 1000 + Math.floor(sample * everyMicros) + (device % 1000) * 1000
  return {
    deviceId: Buffer.from(deviceName(device)),
    firmware: Buffer.from('hive-1'),
    boot: 1,
    seq: round,
    dropped: 0,
    count: SAMPLES_OF_RECORD,
    ts: Float64Array.from(of(micros)),
    timeEstimated: false,
    account: new Float64Array(SAMPLES_OF_RECORD).fill(1 + (device % 40)),
    site: new Float64Array(SAMPLES_OF_RECORD).fill(1 + (device % 500)),
    values: quantities.map(({ name }) => {
      const value = MEASURED[name]
      if (value === undefined) return undefined
      return Float64Array.from(
        of((sample) => value(Math.sin((2 * Math.PI * sample) / shape.samplesOfDay), ((sample * 7919 + device * 104_729) % 1000) / 1000)),
      )
    }),
    excluded: new Uint8Array(SAMPLES_OF_RECORD),
  }
}
