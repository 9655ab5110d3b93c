import { MalformedError } from '../../schemas/frame-reader.ts'
import { type DeviceState, deviceStatusSchema, type DeviceStatus as Status } from '../../schemas/generated/device-status.ts'
import { avroSource } from '../avro.ts'
import type { Source } from '../contract.ts'
import { topics } from '../topics.ts'

/** Birth or last will of a device's session, as far as its state depends on it. */
export interface DeviceStatus extends Pick<Status, 'received' | 'state' | 'boot' | 'firmware' | 'retained'> {
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

const statuses = avroSource(topics.deviceStatus, deviceStatusSchema)

/**
 * Topic device.status. What the database does not take is refused here: if the database refused one
 * status, all statuses of its device in the batch would fail.
 */
export const deviceStatus: Source<DeviceStatus> = {
  ...statuses,
  decode: (record, lookups, each) =>
    statuses.decode(record, lookups, ({ received, state, boot, firmware, retained }) => {
      if (firmware !== null && (firmware.includes('\0') || firmware.length > MOST_FIRMWARE_CHARACTERS))
        throw new MalformedError(`expected "firmware" to be text of at most ${MOST_FIRMWARE_CHARACTERS} characters without NUL`)
      each({ received, state, boot, firmware, retained, offset: record.offset }, null)
    }),
}

const MOST_FIRMWARE_CHARACTERS = 1000
