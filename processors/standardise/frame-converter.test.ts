import avro from 'avsc'
import { expect } from 'chai'
import fc from 'fast-check'
import { readFirmwares, readSchema } from '../../schemas/files.ts'
import type { Sample } from '../../schemas/generated/readings.ts'
import type { Assignment, DeviceId, FirmwareLookup, Lookups, RecordPart } from '../contract.ts'
import { readings } from '../topics.ts'
import { processor } from './processor.ts'

const firmwares = new Map(
  readFirmwares().map(({ file, firmware }) => [firmware.id, { firmware, type: avro.Type.forSchema(file.json as avro.Schema) }]),
)
const readingsType = avro.Type.forSchema(readSchema('readings').json as avro.Schema, { wrapUnions: 'auto', logicalTypes: {} })
const RECEIVED_MS = Date.UTC(2026, 10, 23, 6)
const always: Assignment = { fromMicros: -Infinity, toMicros: Infinity, accountId: 7, siteId: 9 }

interface Input {
  readonly oldestDays?: number
  readonly clock?: 'SYNCED' | 'UPTIME'
  readonly base?: number
  readonly dt?: readonly number[]
  readonly key?: string
  readonly value?: Buffer
  readonly assignments?: readonly Assignment[] | undefined
  readonly known?: FirmwareLookup
  readonly only?: RecordPart
  readonly anchor?: number
}

function frame(
  id: string,
  columns: Readonly<Record<string, readonly number[]>>,
  { clock = 'SYNCED', base = RECEIVED_MS - 1000, dt = [0] }: Input,
): Buffer {
  const found = firmwares.get(id)
  if (found === undefined) throw new Error(`no firmware ${id}`)
  const datum = found.type.toBuffer({
    boot: 3,
    seq: 4,
    clock,
    base,
    dropped: 0,
    dt,
    ...Object.fromEntries(found.firmware.metrics.map(({ name }) => [name, columns[name] ?? []])),
  })
  return Buffer.concat([Buffer.from([0, 0, 0, 0, 1]), datum])
}

interface Result {
  readonly samples: readonly Sample[]
  readonly rejections: readonly {
    readonly reason: string
    readonly detail: string
    readonly samples: readonly number[]
    readonly quantities?: readonly string[]
  }[]
}

function handle(id: string, columns: Readonly<Record<string, readonly number[]>>, input: Input = {}): Result {
  const found = firmwares.get(id)
  if (found === undefined) throw new Error(`no firmware ${id}`)
  const lookups: Lookups = {
    firmware: () => input.known ?? { tag: 'known', firmware: found.firmware },
    assignments: (_device: DeviceId) => ('assignments' in input ? input.assignments : [always]),
    anchor: () => input.anchor ?? Number.NaN,
    schema: () => undefined,
    speaksFor: () => false,
    dialect: () => undefined,
    ...(input.oldestDays === undefined ? {} : { oldestDays: input.oldestDays }),
  }
  const encode = readings.encoder(11, 1_000_000)
  const outcomes: Result = { samples: [], rejections: [] }
  const samples: Sample[] = []
  const rejections: Result['rejections'][number][] = []
  const record = {
    key: Buffer.from(input.key ?? 'hive-0001'),
    value: input.value ?? frame(id, columns, input),
    timestampMs: RECEIVED_MS,
    offset: 0n,
    ...(input.only === undefined ? {} : { only: input.only }),
  }
  processor.from.decode(record, lookups, (item) => {
    const result = processor.handle(item, lookups)
    for (const outcome of 'tag' in result ? [result] : result) {
      if (outcome.tag === 'emit')
        samples.push(...(readingsType.fromBuffer((encode(outcome.value) as Buffer).subarray(5)) as { samples: Sample[] }).samples)
      else if (outcome.tag === 'reject')
        rejections.push({ reason: outcome.reason, detail: outcome.detail, samples: outcome.samples, quantities: outcome.quantities ?? [] })
    }
  })
  return { ...outcomes, samples, rejections }
}

describe('standardise', () => {
  it('converts exactly in decimal, as the number that the text would be', () => {
    fc.assert(
      fc.property(fc.integer({ min: -6000, max: 20_000 }), (hundredths) => {
        const { samples } = handle('hive-1', { temperature: [hundredths], humidity: [4000] })
        expect(samples[0]?.temperature).to.equal(Number(`${hundredths}e-2`))
      }),
    )
  })

  it('applies offset, missing codes and maps, and leaves null what was not measured', () => {
    const { samples, rejections } = handle(
      'hive-2',
      { temp16: [1190, 1, -32_768 - 1191], rh: [101, 154, 0], charge: [4, -1, -1] },
      { dt: [0, 60_000, 60_000] },
    )
    expect(rejections).to.deep.equal([])
    expect(samples.map(({ temperature, humidity, weight, battery_level }) => [temperature, humidity, weight, battery_level])).to.deep.equal(
      [
        [34.375, 50.5, null, 100],
        [34.4375, null, null, 75],
        [null, null, null, 50],
      ],
    )
  })

  it('gives each sample its own time, account and site', () => {
    const moved = (RECEIVED_MS - 500) * 1000
    const assignments: Assignment[] = [
      { fromMicros: -Infinity, toMicros: moved, accountId: 1, siteId: 2 },
      { fromMicros: moved, toMicros: Infinity, accountId: 1, siteId: null },
    ]
    const { samples } = handle(
      'hive-1',
      { temperature: [2000, 0, 0], humidity: [4000, 0, 0] },
      { base: RECEIVED_MS - 1000, dt: [0, 499, 1], assignments },
    )
    expect(
      samples.map(({ ts, account_id, site_id, time_estimated }) => [ts / 1000 - RECEIVED_MS, account_id, site_id, time_estimated]),
    ).to.deep.equal([
      [-1000, 1, 2, false],
      [-501, 1, 2, false],
      [-500, 1, null, false],
    ])
  })

  it('gives just the one sample that a redrive is about, or its rejection, and nothing of the next frame to it', () => {
    const columns = { temperature: [2000, 30_000, -29_900], humidity: [4000, 0, 0] }
    const dt = [0, 1, 1]
    const recovered = handle('hive-1', columns, { dt, only: { samples: [2], quantities: [] } })
    expect([recovered.samples.map(({ temperature }) => temperature), recovered.rejections]).to.deep.equal([[21], []])
    const again = handle('hive-1', columns, { dt, only: { samples: [1], quantities: [] } })
    expect([
      again.samples.map(({ temperature }) => temperature),
      again.rejections.map(({ reason, samples }) => [reason, samples]),
    ]).to.deep.equal([[null], [['out-of-range', [1]]]])
    expect(handle('hive-1', columns, { dt }).samples.map(({ temperature }) => temperature)).to.deep.equal([20, null, 21])
  })

  it('reckons the times of a device without time of day from the beginning of its boot, whenever a frame arrives', () => {
    const anchor = (RECEIVED_MS - 100_000) * 1000
    const { samples } = handle(
      'hive-1',
      { temperature: [2000, 0, 0], humidity: [4000, 0, 0] },
      { clock: 'UPTIME', base: 5, dt: [0, 250, 750], anchor },
    )
    expect(samples.map(({ ts, time_estimated }) => [(ts - anchor) / 1000, time_estimated])).to.deep.equal([
      [5, true],
      [255, true],
      [1005, true],
    ])
  })

  it('rejects uptimes that nobody reaches, and those of a boot too many', () => {
    const columns = { temperature: [2000, 0], humidity: [4000, 0] }
    const uptime = (base: number, anchor = 0): unknown => {
      const { samples, rejections } = handle('hive-1', columns, { clock: 'UPTIME', dt: [0, 1], base, anchor })
      return [samples.length, ...rejections.map(({ reason, samples: which }) => `${reason} ${which.join()}`)]
    }
    expect(uptime(2 ** 50, RECEIVED_MS * 1000)).to.deep.equal([0, 'time-out-of-range 0,1'])
    expect(uptime(-5, RECEIVED_MS * 1000)).to.deep.equal([0, 'time-out-of-range 0,1'])
    expect(uptime(5, Number.NaN)).to.deep.equal([0, 'too-many-boots 0,1'])
    expect(uptime(5, RECEIVED_MS * 1000 - 11 * 366 * 86_400_000_000)).to.deep.equal([0, 'time-out-of-range 0,1'])
  })

  it('leaves account and site empty for a known device that is assigned to nobody', () => {
    const { samples } = handle('hive-1', { temperature: [2000], humidity: [4000] }, { assignments: [] })
    expect(samples[0]).to.include({ account_id: null, site_id: null, temperature: 20 })
  })

  it('rejects just the values that are out of range: the other quantities of their samples go on', () => {
    const { samples, rejections } = handle('hive-1', { temperature: [2000, 88_000, -88_000], humidity: [4000, 0, 0] }, { dt: [0, 1, 1] })
    expect(samples.map(({ temperature, humidity }) => [temperature, humidity])).to.deep.equal([
      [20, 40],
      [null, 40],
      [20, 40],
    ])
    expect(rejections).to.deep.equal([
      { reason: 'out-of-range', detail: 'temperature is 900 Cel; expected -60 to 200', samples: [1], quantities: ['temperature'] },
    ])
  })

  it('leaves out a sample of which nothing is left, and names each of its quantities', () => {
    const { samples, rejections } = handle('hive-1', { temperature: [2000, 88_000], humidity: [4000, 88_000] }, { dt: [0, 1] })
    expect(samples).to.have.length(1)
    expect(rejections.map(({ samples: gone, quantities }) => [gone, quantities])).to.deep.equal([
      [[1], ['temperature']],
      [[1], ['humidity']],
    ])
    const alone = handle('hive-2', { temp16: [32_000] })
    expect([alone.samples, alone.rejections.length]).to.deep.equal([[], 1])
  })

  it('says nothing of values at a time that is wrong, and gives a row to a sample that has none by itself', () => {
    const late = handle('hive-1', { temperature: [88_000], humidity: [4000] }, { base: 0 })
    expect(late.rejections.map(({ reason, quantities }) => [reason, quantities])).to.deep.equal([['time-out-of-range', []]])
    expect(handle('hive-1', { temperature: [-32_768], humidity: [-32_768] }).samples).to.have.length(1)
  })

  it('gives just the quantities that a redrive is about', () => {
    const columns = { temperature: [2000, 100, 28_000], humidity: [4000, 0, 0] }
    const part = (only: RecordPart): unknown => {
      const { samples, rejections } = handle('hive-1', columns, { dt: [0, 1, 1], only })
      return [samples.map(({ temperature, humidity }) => [temperature, humidity]), rejections.map(({ samples: gone }) => gone)]
    }
    expect(part({ samples: [1], quantities: ['temperature'] })).to.deep.equal([[[21, null]], []])
    expect(part({ samples: [], quantities: ['temperature'] })).to.deep.equal([
      [
        [20, null],
        [21, null],
      ],
      [[2]],
    ])
    expect(part({ samples: [2], quantities: ['temperature'] })).to.deep.equal([[], [[2]]])
    expect(part({ samples: [2], quantities: ['humidity'] })).to.deep.equal([[[null, 40]], []])
    expect(handle('hive-1', columns, { dt: [0, 1, 1] }).samples, 'and nothing of the next frame').to.have.length(3)
  })

  it('rejects codes without a meaning, and times far from the receipt', () => {
    expect(handle('hive-2', { charge: [9] }).rejections).to.deep.equal([
      { reason: 'unknown-code', detail: 'charge has code 9; its map has 0, 1, 2, 3, 4', samples: [0], quantities: ['battery_level'] },
    ])
    for (const base of [0, Date.UTC(2099, 0, 1), RECEIVED_MS + 86_400_001]) {
      const { samples, rejections } = handle('hive-1', { temperature: [2000], humidity: [4000] }, { base })
      expect(samples).to.deep.equal([])
      expect(rejections.map(({ reason, samples: gone }) => [reason, gone])).to.deep.equal([['time-out-of-range', [0]]])
    }
  })

  it('takes older times if the lookups say how old they may be', () => {
    const base = Date.UTC(1999, 0, 1)
    expect(handle('hive-1', { temperature: [2000] }, { base, oldestDays: 36_525 }).samples).to.have.length(1)
    expect(handle('hive-1', { temperature: [2000] }, { base, oldestDays: 5_000 }).samples).to.deep.equal([])
  })

  const whole: readonly (readonly [string, string, Input])[] = [
    ['a device that nobody provisioned', 'unknown-device', { assignments: undefined }],
    ['a key that is no device ID', 'bad-key', { key: 'a/b' }],
    ['a schema that the registry does not know', 'unknown-schema', { known: { tag: 'unknown' } }],
    ['a firmware schema that cannot be used', 'bad-firmware-schema', { known: { tag: 'invalid', detail: 'why' } }],
    ['a frame that is cut off', 'malformed-frame', { value: Buffer.from([0, 0, 0, 0, 1, 2]) }],
  ]
  for (const [what, reason, input] of whole) {
    it(`rejects the whole frame of ${what}`, () => {
      const { samples, rejections } = handle('hive-1', { temperature: [2000], humidity: [4000] }, input)
      expect(samples).to.deep.equal([])
      expect(rejections.map((rejection) => [rejection.reason, rejection.samples])).to.deep.equal([[reason, []]])
    })
  }

  it('names no reason that its list does not document', () => {
    expect(Object.keys(processor.reasons)).to.include.members(whole.map(([, reason]) => reason))
  })

  it('keeps nothing of one frame for the next', () => {
    const first = handle('hive-2', { temp16: [1190, 1], rh: [101, 0] }, { dt: [0, 5] })
    expect(first.samples).to.have.length(2)
    expect(handle('hive-2', { sound: [505] }).samples[0]).to.include({ temperature: null, humidity: null, sound_level: 50.5 })
  })
})
