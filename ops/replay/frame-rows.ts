import type { Type } from 'avsc'
import { avroType } from '../../schemas/avro-type.ts'
import { requireWireHeader, schemaIdOf, WIRE_BYTES } from '../../schemas/wire-format.ts'
import { json } from './avro-cells.ts'
import type { SchemaCache } from './schema-cache.ts'
import { PLACE_COLUMNS, placeCells, type TopicRows } from './topic-rows.ts'

interface Frame {
  readonly boot: number
  readonly seq: number
  readonly clock: string
  readonly base: number
  readonly dropped: number
  readonly dt: readonly number[]
}

interface FrameType {
  readonly type: Type
  readonly firmware: string
  /** Microseconds of a unit of `base`. */
  readonly tickMicros: number
}

const UPTIME = 'UPTIME'

/**
 * Frames: a row each, as the device sent it. The time is that of the first sample; a frame of a
 * device without a time of day has none.
 */
export function frameRows(schemas: SchemaCache): TopicRows {
  const types = new WeakMap<object, FrameType>()
  const typeOf = (schema: object): FrameType => {
    const { namespace, time_unit: unit } = schema as { readonly namespace?: string; readonly time_unit?: string }
    const known = types.get(schema) ?? { type: avroType(schema), firmware: namespace ?? '', tickMicros: unit === 'us' ? 1 : 1000 }
    types.set(schema, known)
    return known
  }
  return {
    columns: [
      { name: 'device_id', kind: 'text', unit: null },
      { name: 'ts', kind: 'timestamp', unit: null },
      { name: 'firmware', kind: 'text', unit: null },
      { name: 'boot', kind: 'whole', unit: null },
      { name: 'seq', kind: 'whole', unit: null },
      { name: 'clock', kind: 'text', unit: null },
      { name: 'dropped', kind: 'whole', unit: null },
      { name: 'samples', kind: 'whole', unit: null },
      { name: 'value', kind: 'text', unit: null },
      ...PLACE_COLUMNS,
    ],
    eventTime: 1,
    device: undefined,
    prepare: (records) => schemas.prepare(records),
    rows(placed) {
      const { key, value } = placed.record
      const framed = requireWireHeader(value)
      const schema = schemas.schema(schemaIdOf(framed))
      if (schema === undefined) throw new Error(`the registry has no schema ${schemaIdOf(framed)}`)
      const { type, firmware, tickMicros } = typeOf(schema)
      const frame = type.fromBuffer(framed.subarray(WIRE_BYTES)) as Frame
      const { boot, seq, clock, base, dropped, dt } = frame
      const ts = clock === UPTIME ? null : base * tickMicros
      return [[key?.toString() ?? null, ts, firmware, boot, seq, clock, dropped, dt.length, json(frame), ...placeCells(placed)]]
    },
  }
}
