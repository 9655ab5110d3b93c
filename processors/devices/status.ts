import avro from 'avsc'
import { MalformedError } from '../../schemas/frame-reader.ts'
import type { Source } from '../contract.ts'
import { fingerprintOf } from '../fingerprint-header.ts'
import { topics } from '../topics.ts'

export type DeviceState = 'init' | 'ready' | 'sleeping' | 'lost'

/** Birth or last will of a device's session (schemas/device-status.avsc). */
export interface DeviceStatus {
  /** Microseconds since 1970: when the bridge received it. */
  readonly received: number
  readonly state: DeviceState
  readonly boot: number | null
  readonly firmware: string | null
  /**
   * Whether it came out of the broker's store of retained messages. If it did, it may be older than
   * what is known.
   */
  readonly retained: boolean
  /** Offset of its record. */
  readonly offset: bigint
}

/** What is known of a device's session. */
export interface KnownStatus {
  readonly state: DeviceState
  /** Boot counter of the last birth that had one. */
  readonly boot: number | null
  /** The lowest since the counter was last reset. */
  readonly lowestBoot: number | null
  readonly firmware: string | null
  readonly seenMicros: number
  /** Offset of the last status; null if it is not known. */
  readonly seenOffset: bigint | null
}

/**
 * What is known after a status. Applying one again changes nothing. Statuses are taken in Kafka's
 * order; four kinds are ignored:
 * - one that came before what is known, as in a redrive: both its offset and its time of receipt
 *   are not later. One of them alone would keep a state for good: offsets begin anew with a topic
 *   or a partition, and a clock may be set back;
 * - the last will of an older boot than the last birth, which the broker may send long after the
 *   device came back;
 * - one of a lower boot, unless it is below all boots since the last reset: a broker that crashed
 *   sends again what it had saved before. One that is below all of them is news: the flash was
 *   reset;
 * - one that the broker had retained, unless it is of a later boot, or the last will of this one.
 *   Nobody knows whether it is the device's newest. If an old birth were taken for news, a dead
 *   device would be shown alive.
 */
export function applyStatus(known: KnownStatus | undefined, status: DeviceStatus): KnownStatus {
  const { received, state, boot, firmware, retained, offset } = status
  const next: KnownStatus = {
    state,
    boot: boot ?? known?.boot ?? null,
    lowestBoot: lowest(boot, known?.lowestBoot ?? known?.boot ?? null),
    firmware: firmware ?? known?.firmware ?? null,
    seenMicros: received,
    seenOffset: offset,
  }
  if (known === undefined) return next
  if (cameBefore(known, status)) return known
  const boots = boot === null || known.boot === null ? 0 : boot - known.boot
  if (state === 'lost' && boots < 0) return known
  if (boots < 0 && boot !== null && boot >= (known.lowestBoot ?? known.boot ?? boot)) return known
  if (retained && boots <= 0 && state !== 'lost') return known
  return next
}

function lowest(boot: number | null, known: number | null): number | null {
  return boot === null || known === null ? (known ?? boot) : Math.min(boot, known)
}

function cameBefore({ seenMicros, seenOffset }: KnownStatus, { received, offset }: DeviceStatus): boolean {
  return seenOffset === null ? received < seenMicros : offset <= seenOffset && received <= seenMicros
}

/**
 * Schemas that are read as DeviceStatus, by the JSON that the registry gave: the same object for
 * the same ID.
 */
const types = new WeakMap<object, avro.Type>()
const HEADER_BYTES = 5

/** Topic device.status. */
export const deviceStatus: Source<DeviceStatus> = {
  topic: topics.deviceStatus,
  decode: (record, lookups, each) => {
    const { value, offset } = record
    if (value === null || value.length < HEADER_BYTES || value[0] !== 0) {
      throw new MalformedError(`expected a schema ID after a zero byte, got ${value === null ? 'no value' : `${value.length} bytes`}`)
    }
    const id = value.readUInt32BE(1)
    const schema = lookups.schema(id, fingerprintOf(record))
    if (typeof schema !== 'object' || schema === null) throw new MalformedError(`the registry has no schema ${id}`)
    each({ ...decoded(typeOf(schema), value.subarray(HEADER_BYTES)), offset }, null)
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

const STATES: ReadonlySet<unknown> = new Set<DeviceState>(['init', 'ready', 'sleeping', 'lost'])
/**
 * The longest text that the database takes. It is checked here: if the database refused one status,
 * all statuses of its device in the batch would fail.
 */
const MOST_FIRMWARE_CHARACTERS = 1000

function decoded(type: avro.Type, datum: Buffer): Omit<DeviceStatus, 'offset'> {
  let status: Partial<DeviceStatus>
  try {
    status = type.fromBuffer(datum) as Partial<DeviceStatus>
  } catch (cause) {
    throw new MalformedError(`not DeviceStatus: ${cause instanceof Error ? cause.message : String(cause)}`)
  }
  const { received, state, boot = null, firmware = null, retained = false } = status
  if (typeof received !== 'number') throw new MalformedError(`expected "received" in microseconds since 1970, got ${String(received)}`)
  if (state === undefined || !STATES.has(state))
    throw new MalformedError(`expected "state" to be one of ${[...STATES].join(', ')}, got ${String(state)}`)
  if (boot !== null && boot !== (boot | 0)) throw new MalformedError(`expected "boot" to be a 32-bit integer, got ${String(boot)}`)
  if (firmware !== null && (typeof firmware !== 'string' || firmware.includes('\0') || firmware.length > MOST_FIRMWARE_CHARACTERS))
    throw new MalformedError(`expected "firmware" to be text of at most ${MOST_FIRMWARE_CHARACTERS} characters without NUL`)
  return { received, state, boot, firmware, retained: retained === true }
}
