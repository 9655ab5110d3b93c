import avro from 'avsc'
import type { RecordProducer } from '../../connectors/contract.ts'
import { openAdmin } from '../../connectors/kafka/client.ts'
import { createProducer } from '../../connectors/kafka/producer.ts'
import { partitionCounts } from '../../connectors/kafka/topics.ts'
import type { OutgoingRecord } from '../../processors/contract.ts'
import { firmwareSubject, topics } from '../../processors/topics.ts'
import { readSchema } from '../../schemas/files.ts'
import { schemaFingerprint } from '../../schemas/fingerprint.ts'
import { wireHeader } from '../../schemas/wire-format.ts'
import { quiet, testKafka } from './stack-clients.ts'

/**
 * Encodes frames of firmware hive-1 under a name of the test's own, so that its conversion can be
 * changed.
 */
export interface TestFirmware {
  /** Registry subject. */
  readonly subject: string
  /** As it is in a frame. */
  readonly fingerprint: Buffer
  /** The schema's text, with a conversion of the temperature: a scale of 0.01 is right. */
  schema(scale: string): string
  /** A frame without any header. Temperatures in hundredths of a degree, a second apart. */
  datum(seq: number, baseMs: number, temperatures: readonly number[], boot?: number): Buffer
  /** The same as a device publishes it. */
  frame(seq: number, baseMs: number, temperatures: readonly number[]): Buffer
}

export function testFirmware(name: string): TestFirmware {
  const hive = readSchema('firmware/hive-1').json as { readonly fields: readonly { readonly name: string }[] }
  const described = { ...hive, namespace: `millrace.firmware.${name}` }
  const type = avro.Type.forSchema(described as unknown as avro.Schema)
  const fingerprint = schemaFingerprint(described)
  const differences = (values: readonly number[]): readonly number[] => values.map((value, index) => value - (values[index - 1] ?? 0))
  const datum: TestFirmware['datum'] = (seq, baseMs, temperatures, boot = 1) =>
    type.toBuffer({
      boot,
      seq,
      clock: 'SYNCED',
      base: baseMs,
      dropped: 0,
      dt: temperatures.map((_, index) => (index === 0 ? 0 : 1000)),
      temperature: differences(temperatures),
      humidity: differences(temperatures.map(() => 5000)),
    })
  return {
    subject: firmwareSubject(`millrace.firmware.${name}.V1`),
    fingerprint,
    schema: (scale) =>
      JSON.stringify({ ...described, fields: hive.fields.map((field) => (field.name === 'temperature' ? { ...field, scale } : field)) }),
    datum,
    frame: (seq, baseMs, temperatures) => Buffer.concat([Buffer.from([0xc3, 1]), fingerprint, datum(seq, baseMs, temperatures)]),
  }
}

/** A datum in the registry's wire format. */
export function wire(schemaId: number, datum: Buffer): Buffer {
  return Buffer.concat([wireHeader(schemaId), datum])
}

/** A record of telemetry.frames. */
export function frameRecord(device: string, value: Buffer, timestampMs = Date.now()): OutgoingRecord {
  return { topic: topics.frames, key: Buffer.from(device), value, timestampMs }
}

/** Sends records to Kafka, past MQTT and the bridge. */
export async function openFrameProducer(): Promise<RecordProducer> {
  const kafka = testKafka()
  await using admin = openAdmin(kafka)
  const partitions = await partitionCounts(admin, [topics.frames, topics.raw, topics.readings, topics.deviceStatus])
  const counters = { bytes: 0, retries: 0 }
  return createProducer({ kafka, partitions, log: quiet, signal: new AbortController().signal, counters })
}

/** Sends records in one go. */
export async function produce(records: readonly OutgoingRecord[]): Promise<void> {
  await using producer = await openFrameProducer()
  await producer.send(records)
}
