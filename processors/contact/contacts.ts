import { MalformedError } from '../../schemas/frame-reader.ts'
import { quantities } from '../../schemas/generated/readings.ts'
import type { ReadingsReader } from '../../schemas/readings-reader.ts'
import type { Source } from '../contract.ts'
import { readingFrames } from '../topics.ts'
import type { Contact, Timed } from './known-contact.ts'

/** A sample that is further ahead of its receipt has a wrong time, and would stay the newest. */
const FUTURE_MICROS = 300_000_000
const MOST_FIRMWARE_CHARACTERS = 1000
const BATTERY_VOLTAGE = quantities.findIndex(({ name }) => name === 'battery_voltage')
const BATTERY_LEVEL = quantities.findIndex(({ name }) => name === 'battery_level')

/**
 * Topic telemetry.readings, one contact a record. What the database does not take is refused here.
 * The battery is that of the device itself, not of a channel. Boot 0 is that of a device without
 * frames, which counts none.
 */
export const contacts: Source<Contact> = {
  topic: readingFrames.topic,
  needs: readingFrames.needs ?? [],
  decode: (record, lookups, each) =>
    readingFrames.decode(record, lookups, (reader) => {
      const { firmware, boot } = reader
      if (firmware.includes('\0') || firmware.length > MOST_FIRMWARE_CHARACTERS)
        throw new MalformedError(`expected "firmware" to be text of at most ${MOST_FIRMWARE_CHARACTERS} characters without NUL`)
      const received = record.timestampMs * 1000
      const latest = received + FUTURE_MICROS
      const own = !reader.deviceId.includes('/')
      each(
        {
          received,
          boot: boot === 0 ? null : boot,
          firmware,
          sampleAt: newestSample(reader, latest),
          batteryVoltage: own ? newestValue(reader, BATTERY_VOLTAGE, latest) : null,
          batteryLevel: own ? newestValue(reader, BATTERY_LEVEL, latest) : null,
        },
        null,
      )
    }),
}

function newestSample({ ts, count }: ReadingsReader, latest: number): number | null {
  let newest: number | null = null
  for (let sample = 0; sample < count; sample++) {
    const at = ts[sample] as number
    if (at <= latest && (newest === null || at > newest)) newest = at
  }
  return newest
}

function newestValue({ ts, count, values }: ReadingsReader, quantity: number, latest: number): Timed | null {
  const column = values[quantity]
  if (column === undefined) return null
  let newest = -1
  for (let sample = 0; sample < count; sample++) {
    if (Number.isNaN(column[sample]) || (ts[sample] as number) > latest) continue
    if (newest < 0 || (ts[sample] as number) > (ts[newest] as number)) newest = sample
  }
  return newest < 0 ? null : { value: column[newest] as number, at: ts[newest] as number }
}
