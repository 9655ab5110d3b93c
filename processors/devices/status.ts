import avro from 'avsc'
import { MalformedError } from '../../schemas/frame-reader.ts'
import type { Source } from '../contract.ts'
import { topics } from '../topics.ts'

export type DeviceState = 'init' | 'ready' | 'sleeping' | 'lost'

/** Birth or last will of a device's session (schemas/device-status.avsc). */
export interface DeviceStatus {
  /** Microseconds since 1970: when the bridge received it. */
  readonly received: number
  readonly state: DeviceState
  readonly boot: number | null
  readonly firmware: string | null
}

/** What is known of a device's session. */
export interface KnownStatus {
  readonly state: DeviceState
  /** Boot counter of the last birth that had one. */
  readonly boot: number | null
  readonly firmware: string | null
  readonly seenMicros: number
}

/**
 * What is known after a status. Two are ignored: one that was received before what is known, as in a replay, and the will of an older boot
 * than the last birth, which the broker may send long after the device came back. Applying a status again changes nothing.
 */
export function applyStatus(known: KnownStatus | undefined, { received, state, boot, firmware }: DeviceStatus): KnownStatus {
  const next: KnownStatus = {
    state,
    boot: boot ?? known?.boot ?? null,
    firmware: firmware ?? known?.firmware ?? null,
    seenMicros: received,
  }
  if (known === undefined) return next
  if (received < known.seenMicros) return known
  if (state === 'lost' && boot !== null && known.boot !== null && boot < known.boot) return known
  return next
}

/** Schemas that are read as DeviceStatus, by the JSON that the registry gave: the same object for the same ID. */
const types = new WeakMap<object, avro.Type>()
const HEADER_BYTES = 5

/** Topic device.status. */
export const deviceStatus: Source<DeviceStatus> = {
  topic: topics.deviceStatus,
  decode: ({ value }, lookups, each) => {
    if (value === null || value.length < HEADER_BYTES || value[0] !== 0) {
      throw new MalformedError(`expected a schema ID after a zero byte, got ${value === null ? 'no value' : `${value.length} bytes`}`)
    }
    const id = value.readUInt32BE(1)
    const schema = lookups.schema(id)
    if (typeof schema !== 'object' || schema === null) throw new MalformedError(`the registry has no schema ${id}`)
    each(decoded(typeOf(schema), value.subarray(HEADER_BYTES)), null)
  },
}

function typeOf(schema: object): avro.Type {
  let type = types.get(schema)
  if (type === undefined) {
    type = avro.Type.forSchema(schema as avro.Schema, { wrapUnions: 'auto', omitRecordMethods: true, logicalTypes: {} })
    types.set(schema, type)
  }
  return type
}

function decoded(type: avro.Type, datum: Buffer): DeviceStatus {
  let status: Partial<DeviceStatus>
  try {
    status = type.fromBuffer(datum) as Partial<DeviceStatus>
  } catch (cause) {
    throw new MalformedError(`not DeviceStatus: ${cause instanceof Error ? cause.message : String(cause)}`)
  }
  const { received, state } = status
  if (typeof received !== 'number' || state === undefined) throw new MalformedError('expected DeviceStatus with "received" and "state"')
  return { received, state, boot: status.boot ?? null, firmware: status.firmware ?? null }
}
