import { BinaryWriter, WireType } from '@bufbuild/protobuf/wire'
import { expect } from 'chai'
import fc from 'fast-check'
import { CodecError, RepeatedMember } from './codec.ts'
import { decodeSparkplugB } from './sparkplug-b.ts'

/** Written by sparkplug-payload 1.0.3 of npm, Eclipse Tahu's encoder: a metric of each type. */
const OF_TAHU = Buffer.from(
  [
    '08e094e9aaa23412170a04496e7438100018e094e9aaa234200150ffffffff0f12180a05496e743136100118e094e9aaa234200250feff',
    'ffff0f12180a05496e743332100218e094e9aaa234200350fdffffff0f121d0a05496e743634100318e094e9aaa234200458fcffffffff',
    'ffffffff0112150a0555496e7438100418e094e9aaa234200550c80112170a0655496e743136100518e094e9aaa234200650e0d4031219',
    '0a0655496e743332100618e094e9aaa23420075880d0acf30e12150a0655496e743634100718e094e9aaa2342008580512170a05466c6f',
    '6174100818e094e9aaa2342009650000c03f121c0a06446f75626c65100918e094e9aaa234200a697b14ae47e17a024012160a07426f6f',
    '6c65616e100a18e094e9aaa234200b700112170a06537472696e67100b18e094e9aaa234200c7a026f6e121c0a084461746554696d6510',
    '0c18e094e9aaa234200d58e094e9aaa23412140a0454657874100d18e094e9aaa234200e7a017412160a0455554944100e18e094e9aaa2',
    '34200f7a03752d31120a0a046e6f6e6520033801120e0a054279746573201182010201fe122f0a02647320108a01260802120161120162',
    '1801180c220d0a0608ffffffff0f0a0332017822090a0208020a03320179122b0a02747020139201220a027631120b0a016d200250fbff',
    'ffff0f1a070a017010072007220470756d70280012330a027072200a4a220a07656e67556e69740a036c6f771208080c42046465674312',
    '08080318d8ffffff0f69000000000000f03f1818',
  ].join(''),
  'hex',
)
const TIME = 1795923004000

describe('the codec for Sparkplug B', () => {
  it('reads every scalar type as Tahu writes it, with its sign', () => {
    const { metrics, ...rest } = decodeSparkplugB(OF_TAHU) as {
      metrics: { name: string; datatype: number; timestamp: number; value: unknown }[]
    }
    expect(rest).to.deep.equal({ timestamp: TIME, seq: 24 })
    expect(metrics.slice(0, 15).map(({ name, datatype, value }) => [name, datatype, value])).to.deep.equal([
      ['Int8', 1, -1],
      ['Int16', 2, -2],
      ['Int32', 3, -3],
      ['Int64', 4, -4],
      ['UInt8', 5, 200],
      ['UInt16', 6, 60000],
      ['UInt32', 7, 4000000000],
      ['UInt64', 8, 5],
      ['Float', 9, 1.5],
      ['Double', 10, 2.31],
      ['Boolean', 11, true],
      ['String', 12, 'on'],
      ['DateTime', 13, TIME],
      ['Text', 14, 't'],
      ['UUID', 15, 'u-1'],
    ])
    expect(metrics[3]).to.deep.equal({ name: 'Int64', alias: 3, timestamp: TIME, datatype: 4, is_null: false, value: -4 })
  })

  it('keeps null, bytes, datasets, templates and properties as data', () => {
    const { metrics } = decodeSparkplugB(OF_TAHU) as { metrics: unknown[] }
    expect(metrics.slice(15)).to.deep.equal([
      { name: 'none', datatype: 3, is_null: true, value: null },
      { name: 'Bytes', datatype: 17, is_null: false, value: '01fe' },
      {
        name: 'ds',
        datatype: 16,
        is_null: false,
        value: {
          columns: ['a', 'b'],
          types: [1, 12],
          rows: [
            [-1, 'x'],
            [2, 'y'],
          ],
        },
      },
      {
        name: 'tp',
        datatype: 19,
        is_null: false,
        value: {
          version: 'v1',
          template_ref: 'pump',
          is_definition: false,
          metrics: [{ name: 'm', datatype: 2, is_null: false, value: -5 }],
          parameters: [{ name: 'p', type: 7, value: 7 }],
        },
      },
      {
        name: 'pr',
        datatype: 10,
        is_null: false,
        value: 1,
        properties: { engUnit: { type: 12, is_null: false, value: 'degC' }, low: { type: 3, is_null: false, value: -40 } },
      },
    ])
  })

  it('restores the sign of integers whether they are extended to 32 or 64 bits or not at all', () => {
    fc.assert(
      fc.property(
        fc.constantFrom([1, 8], [2, 16], [3, 32], [4, 64]),
        fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n }),
        ([type, bits], any) => {
          const value = BigInt.asIntN(bits as number, any)
          for (const width of [bits as number, 32, 64]) {
            if (width < (bits as number)) continue
            const found = valueOfMetric((metric) =>
              metric
                .tag(4, 0)
                .uint32(type as number)
                .tag(width === 64 ? 11 : 10, 0)
                .uint64(BigInt.asUintN(width, value)),
            )
            expect(BigInt(found as bigint)).to.equal(value)
          }
        },
      ),
    )
  })

  it('leaves integers unsigned and exact if the message has no type', () => {
    expect(valueOfMetric((metric) => metric.tag(10, 0).uint32(4294967295))).to.equal(4294967295)
    expect(valueOfMetric((metric) => metric.tag(11, 0).uint64(18446744073709551615n))).to.equal(18446744073709551615n)
    expect(valueOfMetric((metric) => metric.tag(4, 0).uint32(1).tag(13, 1).double(1.5))).to.equal(1.5)
    expect(valueOfMetric((metric) => metric.tag(4, 0).uint32(4).tag(13, 1).double(Number.NaN))).to.satisfy(Number.isNaN)
  })

  it('gives null if is_null says so, and no value if there is none', () => {
    expect(valueOfMetric((metric) => metric.tag(10, 0).uint32(5).tag(7, 0).bool(true))).to.equal(null)
    expect(valueOfMetric((metric) => metric.tag(2, 0).uint64(7))).to.equal(undefined)
    expect(decodeSparkplugB(Buffer.alloc(0))).to.deep.equal({ metrics: [] })
  })

  it('passes over fields of extensions, and keeps both values of a property that is there twice', () => {
    const value = message((set) => set.tag(1, 0).uint32(3).tag(3, 0).uint32(1))
    const properties = message((set) => {
      for (const key of ['__proto__', 'a', 'a']) set.tag(1, 2).string(key).tag(2, 2).bytes(value)
    })
    const metric = message((fields) => fields.tag(9, 2).bytes(properties).tag(500, 2).string('more').tag(600, 5).float(1))
    const tree = decodeSparkplugB(message((payload) => payload.tag(2, 2).bytes(metric).tag(99, 0).uint32(1))) as {
      metrics: { properties: Record<string, unknown> }[]
    }
    const found = tree.metrics[0]?.properties ?? {}
    expect(Object.keys(found)).to.deep.equal(['__proto__', 'a'])
    expect(Object.getPrototypeOf(found)).to.equal(Object.prototype)
    expect(found.a).to.be.instanceOf(RepeatedMember)
  })

  it('reads the types of a dataset packed or one by one', () => {
    const packed = message((set) => set.tag(3, 2).bytes(Uint8Array.of(1, 12)))
    const apart = message((set) => set.tag(3, 0).uint32(1).tag(3, 0).uint32(12))
    for (const set of [packed, apart])
      expect(valueOfMetric((metric) => metric.tag(17, 2).bytes(set))).to.deep.equal({ columns: [], types: [1, 12], rows: [] })
  })

  for (const [what, hex, detail] of [
    ['a cut message', '08e094e9', 'expected Sparkplug B: field 1 before position 4 of 4: premature EOF'],
    ['a metric that is longer than the message', '12050a0161', 'expected Sparkplug B: 5 more bytes, got 3, field 2 before position 2 of 5'],
    [
      'a field that goes beyond its metric',
      '12020a056162636465',
      'expected Sparkplug B: the end of a message at position 4, but a field goes beyond it',
    ],
    ['a metric that is a number', '1001', 'expected Sparkplug B: wire type 2, got 0, field 2 before position 1 of 2'],
    ['a name that is not UTF-8', '12030a01ff', 'expected Sparkplug B: UTF-8 in a text, field 1 before position 5 of 5'],
    ['a group', '0b0c', 'expected Sparkplug B: no group, which the schema does not have, field 1'],
    ['a field 0', '0001', 'expected Sparkplug B: field 0 before position 1 of 2: illegal tag: field no 0 wire type 0'],
    ['JSON', Buffer.from('{"t":1}').toString('hex'), 'expected Sparkplug B: '],
    ['keys without values', '12064a040a026162', 'expected Sparkplug B: as many values as keys of properties, got 0 and 1'],
  ] as const)
    it(`refuses ${what}, and says where`, () => {
      expect(() => decodeSparkplugB(Buffer.from(hex, 'hex'))).to.throw(CodecError, detail)
    })

  it('refuses more metrics than 10,000, and templates nested without end', () => {
    expect(() => decodeSparkplugB(Buffer.from('1200'.repeat(10_001), 'hex'))).to.throw(CodecError, 'at most 10000 metrics, got more')
    let metric: Uint8Array = new Uint8Array()
    for (let depth = 0; depth < 30; depth++) {
      const inner = metric
      const template = message((fields) => fields.tag(2, 2).bytes(inner))
      metric = message((fields) => fields.tag(18, 2).bytes(template))
    }
    expect(() => decodeSparkplugB(message((payload) => payload.tag(2, 2).bytes(metric)))).to.throw(
      CodecError,
      'messages nested at most 20 deep',
    )
  })

  it('takes bounded time for any 900 kB', () => {
    const start = performance.now()
    for (const hex of ['00', '0800', '2200', '1a00', '80', '12', '0b', '9206'])
      outcome(Buffer.from(hex.repeat(900_000 / (hex.length / 2)), 'hex'))
    const rows = Buffer.from('2200'.repeat(440_000), 'hex')
    expect(valueOfMetric((metric) => metric.tag(17, 2).bytes(rows))).to.have.property('rows')
    expect(performance.now() - start).to.be.lessThan(5_000)
  })

  it('throws nothing but CodecError for any bytes, random or changed', () => {
    const changed = fc.array(fc.tuple(fc.nat(OF_TAHU.length - 1), fc.nat(255)), { minLength: 1, maxLength: 4 }).map((changes) => {
      const copy = Buffer.from(OF_TAHU)
      for (const [at, byte] of changes) copy[at] = byte
      return copy
    })
    const cut = fc.nat(OF_TAHU.length).map((length) => OF_TAHU.subarray(0, length))
    fc.assert(
      fc.property(fc.oneof(fc.uint8Array({ maxLength: 40 }), changed, cut), (bytes) => {
        outcome(Buffer.from(bytes))
      }),
      { numRuns: 5_000 },
    )
  })
})

function message(write: (writer: BinaryWriter) => unknown): Buffer {
  const writer = new BinaryWriter()
  write(writer)
  return Buffer.from(writer.finish())
}

function valueOfMetric(write: (writer: BinaryWriter) => unknown): unknown {
  const payload = message((writer) => writer.tag(2, WireType.LengthDelimited).bytes(message(write)))
  return (decodeSparkplugB(payload) as { metrics: { value?: unknown }[] }).metrics[0]?.value
}

function outcome(payload: Buffer): void {
  try {
    decodeSparkplugB(payload)
  } catch (error) {
    expect(error).to.be.instanceOf(CodecError)
  }
}
