import { readdirSync, readFileSync } from 'node:fs'
import avro from 'avsc'
import { expect } from 'chai'
import fc from 'fast-check'
import { projectRoot, readFirmwares } from './files.ts'
import type { Firmware } from './firmware.ts'
import { FrameReader, MalformedError, TooManySamplesError } from './frame-reader.ts'

const firmwares = readFirmwares()

interface Datum {
  readonly boot: number
  readonly seq: number
  readonly clock: (typeof clockNames)[number]
  readonly base: number
  readonly dropped: number
  readonly dt: readonly number[]
  readonly columns: readonly (readonly number[])[]
}

/** firmware/test/golden/README.md */
interface Golden {
  readonly about: string
  readonly firmware: string
  readonly frame: string
  readonly boot: number
  readonly seq: number
  readonly clock: 'SYNCED' | 'UPTIME'
  readonly base: number
  readonly dropped: number
  readonly times: readonly number[]
  readonly columns: Readonly<Record<string, readonly number[]>>
}

const clockNames = ['SYNCED', 'UPTIME', 'ESTIMATED'] as const
const int = fc.integer({ min: -(2 ** 31), max: 2 ** 31 - 1 })

function datum({ metrics, clockCount, dtKind }: Firmware, values: fc.Arbitrary<number>): fc.Arbitrary<Datum> {
  return fc.integer({ min: 0, max: 40 }).chain((count) =>
    fc.record({
      boot: int,
      seq: int,
      clock: fc.constantFrom(...clockNames.slice(0, clockCount)),
      base: fc.maxSafeInteger().map((value) => Math.trunc(value / 2)),
      dropped: int,
      // The sum of forty is below 2^53.
      dt: fc.array(dtKind === 'int' ? int : fc.integer({ min: -(2 ** 47), max: 2 ** 47 }), { minLength: count, maxLength: count }),
      columns: fc.tuple(...metrics.map(() => fc.oneof(fc.constant([]), fc.array(values, { minLength: count, maxLength: count })))),
    }),
  )
}

describe('FrameReader', () => {
  for (const { file, firmware } of firmwares) {
    const doubles = firmware.metrics.every(({ kind }) => kind === 'double')
    const type = avro.Type.forSchema(file.json as avro.Schema)
    const encode = ({ columns, ...head }: Datum): Buffer =>
      type.toBuffer({ ...head, ...Object.fromEntries(firmware.metrics.map(({ name }, index) => [name, columns[index]])) })

    it(`reads what avsc writes: ${firmware.id}`, () => {
      const reader = new FrameReader(firmware)
      fc.assert(
        fc.property(datum(firmware, doubles ? fc.double() : int), (value) => {
          reader.read(encode(value), 0)
          expect(reader).to.include({
            boot: value.boot,
            seq: value.seq,
            clock: clockNames.indexOf(value.clock),
            base: value.base,
            dropped: value.dropped,
            count: value.dt.length,
          })
          let elapsed = 0
          expect([...reader.elapsed.subarray(0, reader.count)]).to.deep.equal(
            value.dt.map((difference) => {
              elapsed += difference
              return elapsed
            }),
          )
          value.columns.forEach((column, index) => {
            expect(reader.present[index]).to.equal(column.length > 0)
            let previous = 0
            const expected = doubles
              ? column
              : column.map((difference) => {
                  previous = (previous + difference) | 0
                  return previous
                })
            expect([...(reader.raw[index] as Float64Array).subarray(0, column.length)]).to.deep.equal([...expected])
          })
        }),
      )
    })

    it(`refuses every frame that is cut off or has bytes left over: ${firmware.id}`, () => {
      const reader = new FrameReader(firmware)
      const whole = encode({
        boot: 1,
        seq: 2,
        clock: 'SYNCED',
        base: 1.7e12,
        dropped: 0,
        dt: [0, 50],
        columns: firmware.metrics.map(() => [7, -1]),
      })
      for (let length = 0; length < whole.length; length++)
        expect(() => reader.read(whole.subarray(0, length), 0), `${length} bytes`).to.throw(MalformedError)
      expect(() => reader.read(Buffer.concat([whole, Buffer.from([0])]), 0)).to.throw(MalformedError, '1 bytes are left')
    })
  }

  const hive = firmwares.find(({ firmware }) => firmware.id === 'hive-1')?.firmware
  if (hive === undefined) throw new Error('no firmware hive-1')
  const bytes = (...hex: string[]): Buffer => Buffer.from(hex.join(''), 'hex')
  const head = bytes('02', '00', '00', '00', '00')
  const malformed: readonly (readonly [string, Buffer, RegExp])[] = [
    [
      'arrays of different lengths',
      bytes(head.toString('hex'), '0400 00'.replace(' ', ''), '00', '02 02 00'.replaceAll(' ', ''), '00'),
      /temperature: expected 2 values as in dt, got 1/,
    ],
    ['an overlong varint', bytes('8200', '00', '00', '00', '00', '00', '00', '00'), /boot: the varint .* is longer than an int needs/],
    ['an int of six bytes', bytes('ffffffffff01', '00', '00', '00', '00'), /boot: the varint/],
    ['an int beyond 32 bits', bytes('ffffffff1f', '00', '00', '00', '00'), /boot: the varint/],
    [
      'an enum that does not exist',
      bytes('02', '00', '04', '00', '00', '00', '00', '00'),
      /clock: expected 0 \(SYNCED\) or 1 \(UPTIME\), got 2/,
    ],
    ['a length that lies', bytes(head.toString('hex'), 'feffffff0f', '00'), /dt: \d+ values announced where \d+ bytes are left/],
  ]
  for (const [what, frame, message] of malformed) {
    it(`refuses ${what}`, () => {
      expect(() => new FrameReader(hive).read(frame, 0)).to.throw(MalformedError, message)
    })
  }

  it('never does anything but read or refuse', () => {
    const readers = firmwares.map(({ firmware }) => new FrameReader(firmware))
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 300 }), (noise) => {
        for (const reader of readers) {
          try {
            reader.read(noise, 0)
          } catch (cause) {
            expect(cause).to.be.instanceOf(MalformedError)
          }
        }
      }),
      { numRuns: 2000 },
    )
  })

  const folder = `${projectRoot}firmware/test/golden/`
  const golden = readdirSync(folder).filter((name) => name.endsWith('.json'))

  it('refuses more samples than any firmware sends, before it makes room for them', () => {
    const hive = firmwares.find(({ firmware }) => firmware.id === 'hive-1')
    if (hive === undefined) throw new Error('no firmware hive-1')
    const type = avro.Type.forSchema(hive.file.json as avro.Schema)
    const frame = (count: number): Buffer =>
      type.toBuffer({ boot: 1, seq: 1, clock: 'SYNCED', base: 0, dropped: 0, dt: Array(count).fill(0), temperature: [], humidity: [] })
    const reader = new FrameReader(hive.firmware)
    reader.read(frame(10_000), 0)
    expect(reader.count).to.equal(10_000)
    const { length } = reader.elapsed
    expect(() => reader.read(frame(60_000), 0)).to.throw(TooManySamplesError, 'dt: expected at most 10000 samples, got 60000')
    expect(reader.elapsed).to.have.length(length)
  })

  it('has frames of the C encoder to read', () => {
    expect(golden).to.have.length.greaterThan(5)
  })

  for (const name of golden) {
    const vector = JSON.parse(readFileSync(folder + name, 'utf8')) as Golden
    it(`reads ${name}, which the C encoder made: ${vector.about}`, () => {
      const firmware = firmwares.find((each) => each.firmware.id === vector.firmware)?.firmware
      if (firmware === undefined) throw new Error(`no firmware ${vector.firmware}`)
      const frame = Buffer.from(vector.frame, 'hex')
      expect(frame.subarray(0, 2).toString('hex')).to.equal('c301')
      expect(frame.subarray(2, 10).toString('hex')).to.equal(firmware.fingerprint.toString('hex'))
      const reader = new FrameReader(firmware)
      reader.read(frame, 10)
      expect(reader).to.include({
        boot: vector.boot,
        seq: vector.seq,
        clock: clockNames.indexOf(vector.clock),
        base: vector.base,
        dropped: vector.dropped,
      })
      expect(Array.from(reader.elapsed.subarray(0, reader.count), (elapsed) => reader.base + elapsed)).to.deep.equal(vector.times)
      firmware.metrics.forEach((metric, index) => {
        const expected = vector.columns[metric.name] ?? []
        const values = reader.present[index]
          ? [...(reader.raw[index] as Float64Array).subarray(0, reader.count)]
          : expected.map(() => metric.missing)
        expect(values, metric.name).to.deep.equal(expected)
      })
    })
  }
})
