import avro from 'avsc'
import { expect } from 'chai'
import { readFirmwares } from '../../schemas/files.ts'
import type { FirmwareLookup, KafkaRecord } from '../contract.ts'
import { uptimeBoots } from './uptimes.ts'

const firmwares = readFirmwares()
const lookups = {
  firmware: (id: number): FirmwareLookup => {
    const found = firmwares[id]
    return found === undefined ? { tag: 'unknown' } : { tag: 'known', firmware: found.firmware }
  },
}

interface Head {
  readonly firmware?: string
  readonly device?: string
  readonly boot?: number
  readonly seq?: number
  readonly clock?: 'SYNCED' | 'UPTIME'
  readonly base: number
  readonly dt?: readonly number[]
  readonly receivedMs?: number
}

function record({
  firmware = 'hive-1',
  device = 'a',
  boot = 300,
  seq = 70_000,
  clock = 'UPTIME',
  base,
  dt = [0, 1000],
  receivedMs = 1_000_000,
}: Head): KafkaRecord {
  const id = firmwares.findIndex((each) => each.firmware.id === firmware)
  const found = firmwares[id]
  if (found === undefined) throw new Error(`no firmware ${firmware}`)
  const metrics = Object.fromEntries(found.firmware.metrics.map(({ name }) => [name, []]))
  const datum = avro.Type.forSchema(found.file.json as avro.Schema).toBuffer({ boot, seq, clock, base, dropped: 0, dt, ...metrics })
  return { key: Buffer.from(device), value: Buffer.concat([Buffer.from([0, 0, 0, 0, id]), datum]), timestampMs: receivedMs, offset: 0n }
}

describe('the boots of devices without time of day', () => {
  it('began when the frame that was on its way for the shortest time says', () => {
    const queued = [10_000, 20_000, 30_000].map((base) => record({ base }))
    const late = record({ base: 40_000, receivedMs: 1_100_000 })
    expect(uptimeBoots([...queued, late], lookups)).to.deep.equal([{ device: 'a', boot: 300, beganMicros: (1_000_000 - 31_000) * 1000 }])
  })

  it('are told apart by device and number', () => {
    const records = [record({ base: 0 }), record({ base: 0, boot: 301 }), record({ base: 0, device: 'b' })]
    expect(uptimeBoots(records, lookups).map(({ device, boot }) => `${device}/${boot}`)).to.deep.equal(['a/300', 'a/301', 'b/300'])
  })

  it('are not looked for in frames that know the time, that nobody can read, or that the bridge made', () => {
    const good = record({ base: 0 })
    const records: readonly KafkaRecord[] = [
      record({ base: 0, clock: 'SYNCED' }),
      record({ base: 0, dt: [] }),
      record({ base: 0, firmware: 'generic-json' }),
      record({ base: 2 ** 50 }),
      record({ base: -5_000 }),
      { ...good, value: null },
      { ...good, value: Buffer.from([0, 0]) },
      { ...good, value: Buffer.from([0, 0, 0, 0, 0, 0x80, 0x80]) },
      { ...good, value: good.value?.subarray(0, -1) ?? null },
      { ...good, value: Buffer.concat([Buffer.from([0, 0, 0, 0, 99]), good.value?.subarray(5) ?? Buffer.alloc(0)]) },
      { ...good, key: null },
      { ...good, key: Buffer.from('not a device') },
    ]
    expect(uptimeBoots(records, lookups)).to.deep.equal([])
  })
})
