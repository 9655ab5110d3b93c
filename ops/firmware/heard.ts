import type { Log } from '../../connectors/contract.ts'
import type { KafkaClient } from '../../connectors/kafka/client.ts'
import { extentsSince } from '../../connectors/kafka/extents-since.ts'
import { scanTopic } from '../../connectors/kafka/scan.ts'
import { topics } from '../../processors/topics.ts'
import { AvroCursor } from '../../schemas/avro-cursor.ts'
import { MalformedError } from '../../schemas/frame-reader.ts'
import { requireWireHeader, WIRE_BYTES } from '../../schemas/wire-format.ts'
import { newest } from './newest.ts'

/** Which firmwares the readings of each device came from. */
export interface Heard {
  /** By device and firmware: when the bridge received the last of them, milliseconds since 1970. */
  readonly devices: ReadonlyMap<string, ReadonlyMap<string, number>>
  /** Records that were read. */
  readonly records: number
  /** Records since the moment that were not read, because they are older than the newest ones. */
  readonly left: number
}

export interface HeardOptions {
  readonly kafka: KafkaClient
  /** Milliseconds since 1970. */
  readonly sinceMs: number
  /** At most so many records are read: the newest of each partition. */
  readonly mostRecords: number
  /** Only records of this device; null for all. */
  readonly device: string | null
  readonly log: Log
  readonly signal: AbortSignal
}

/**
 * Reads it off the heads of `telemetry.readings`, which frames and what dialects translate both end
 * in. It takes memory for each device that sends, and about five seconds for a million records.
 */
export async function heardFirmwares({ kafka, sinceMs, mostRecords, device, log, signal }: HeardOptions): Promise<Heard> {
  const { extents, left } = newest(await extentsSince(kafka, topics.readings, sinceMs), mostRecords)
  const devices = new Map<string, Map<string, number>>()
  const head = new FirmwareOfReadings()
  let records = 0
  await scanTopic({
    kafka,
    topic: topics.readings,
    extents,
    log,
    signal,
    handle: async (batch) => {
      records += batch.records.length
      for (const { key, value, timestampMs } of batch.records) {
        const name = deviceOf(key)
        if (name === undefined || value === null || (device !== null && name !== device)) continue
        note(devices, name, head.read(value), timestampMs)
      }
    },
  })
  return { devices, records, left }
}

/** The key of readings is their device; that of a channel may have its name behind a slash. */
function deviceOf(key: Buffer | null): string | undefined {
  return key?.toString('latin1').split('/', 1)[0]
}

function note(devices: Map<string, Map<string, number>>, device: string, firmware: string | undefined, atMs: number): void {
  if (firmware === undefined) return
  let own = devices.get(device)
  if (own === undefined) {
    own = new Map()
    devices.set(device, own)
  }
  own.set(firmware, Math.max(atMs, own.get(firmware) ?? Number.NEGATIVE_INFINITY))
}

/** The second field of `Readings`; the samples are not looked at. */
export class FirmwareOfReadings extends AvroCursor {
  /** One text for each firmware, in place of one for each record. */
  private readonly texts = new Map<string, string>()

  /** Undefined for a record that cannot be read. */
  read(record: Buffer): string | undefined {
    try {
      this.bytes = requireWireHeader(record)
      this.at = WIRE_BYTES
      this.string('device_id')
      const length = this.string('firmware')
      const text = this.bytes.toString('utf8', this.at - length, this.at)
      const known = this.texts.get(text)
      if (known !== undefined) return known
      this.texts.set(text, text)
      return text
    } catch (cause) {
      if (cause instanceof MalformedError) return undefined
      throw cause
    }
  }
}
