import { expect } from 'chai'
import { quantities, readingsSchema } from '../../schemas/generated/readings.ts'
import { ReadingsWriter } from '../../schemas/readings-writer.ts'
import type { KafkaRecord, Lookups } from '../contract.ts'
import { contacts } from './contacts.ts'
import type { Contact } from './known-contact.ts'

const RECEIVED_MS = Date.UTC(2026, 6, 1)
const lookups = { schema: () => readingsSchema.json } as unknown as Lookups

interface TestFrame {
  readonly device?: string
  readonly boot?: number
  readonly firmware?: string
  /** Seconds before the receipt, and the battery's level if there is one. */
  readonly samples: readonly (readonly [secondsAgo: number, level?: number])[]
}

function contactOf({ device = 'hive', boot = 3, firmware = 'hive-1', samples }: TestFrame): Contact {
  const values = quantities.map(({ name }) =>
    name === 'battery_level' ? Float64Array.from(samples, ([, level]) => level ?? Number.NaN) : undefined,
  )
  const value = new ReadingsWriter(1).write({
    ...{ deviceId: Buffer.from(device), firmware: Buffer.from(firmware), boot, seq: 0, dropped: 0, count: samples.length, values },
    ts: Float64Array.from(samples, ([ago]) => (RECEIVED_MS - ago * 1000) * 1000),
    timeEstimated: false,
    account: new Float64Array(samples.length).fill(-1),
    site: new Float64Array(samples.length).fill(-1),
    excluded: new Uint8Array(samples.length),
  })
  const record = { key: Buffer.from('hive'), value, timestampMs: RECEIVED_MS, offset: 0n, headers: [] } as unknown as KafkaRecord
  const found: Contact[] = []
  contacts.decode(record, lookups, (contact) => found.push(contact))
  expect(found).to.have.length(1)
  return found[0] as Contact
}

const micros = (secondsAgo: number): number => (RECEIVED_MS - secondsAgo * 1000) * 1000

describe('a contact in the readings', () => {
  it('has the newest sample, and the newest that has a value of the battery', () => {
    expect(contactOf({ samples: [[30, 80], [10], [20, 79]] })).to.deep.equal({
      received: RECEIVED_MS * 1000,
      boot: 3,
      firmware: 'hive-1',
      sampleAt: micros(10),
      batteryVoltage: null,
      batteryLevel: { value: 79, at: micros(20) },
    })
  })

  it('has no time and no battery of a sample that is far ahead of its receipt', () => {
    expect(contactOf({ samples: [[-3_600, 10]] })).to.include({ sampleAt: null, batteryLevel: null })
    expect(
      contactOf({
        samples: [
          [60, 50],
          [-3_600, 10],
        ],
      }),
    ).to.deep.include({
      sampleAt: micros(60),
      batteryLevel: { value: 50, at: micros(60) },
    })
  })

  it('has no battery of a channel, and no boot of a device that sends no frames', () => {
    expect(contactOf({ device: 'hive/left', samples: [[1, 50]] })).to.include({ batteryLevel: null, sampleAt: micros(1) })
    expect(contactOf({ boot: 0, samples: [[1]] })).to.include({ boot: null })
  })

  it('is malformed if its firmware is no text for the database', () => {
    expect(() => contactOf({ firmware: 'hive\0', samples: [[1]] })).to.throw('expected "firmware" to be text')
  })
})
