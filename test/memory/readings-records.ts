import avro from 'avsc'
import type { TopicPartition } from '../../connectors/contract.ts'
import type { KafkaRecord } from '../../processors/contract.ts'

import type { LayoutLookup } from '../../processors/store/layouts.ts'
import { readSchema } from '../../schemas/files.ts'
import { quantities } from '../../schemas/generated/readings.ts'
import { sampleLayout } from '../../schemas/readings-layout.ts'

const schema = readSchema('readings').json
const type = avro.Type.forSchema(schema as avro.Schema, { wrapUnions: 'auto', logicalTypes: {} })
const none = Object.fromEntries(quantities.map(({ name }) => [name, null]))

export const RECEIVED_MS = Date.UTC(2026, 10, 23, 6)
/** The layout of these records. */
export const knownLayout: LayoutLookup = { tag: 'known', layout: sampleLayout(schema) }

/** Readings of one sample, of a device for each partition: its time follows from its offset. */
export function readingsRecord({ partition }: TopicPartition, offset: bigint, temperature = 20): KafkaRecord {
  const device = `hive-${partition}`
  const ts = RECEIVED_MS * 1000 + Number(offset)
  const sample = { ts, time_estimated: false, account_id: null, site_id: null, ...none, temperature }
  const datum = type.toBuffer({ device_id: device, firmware: 'f', boot: 1, seq: Number(offset), dropped: 0, samples: [sample] })
  const value = Buffer.concat([Buffer.from([0, 0, 0, 0, 1]), datum])
  return { key: Buffer.from(device), value, timestampMs: RECEIVED_MS, offset }
}
