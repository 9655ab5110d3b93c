import avro from 'avsc'
import { expect } from 'chai'
import fc from 'fast-check'
import { readSchema } from '../../schemas/files.ts'
import { quantities } from '../../schemas/generated/readings.ts'
import { sampleLayout } from '../../schemas/readings-layout.ts'
import type { KafkaRecord, Topic } from '../contract.ts'
import { CopyWriter } from './copy-writer.ts'
import type { LayoutLookup } from './layouts.ts'
import { RowBatch } from './row-batch.ts'

const schema = readSchema('readings').json
const type = avro.Type.forSchema(schema as avro.Schema, { wrapUnions: 'auto', logicalTypes: {} })
const known: LayoutLookup = { tag: 'known', layout: sampleLayout(schema) }
const RECEIVED_MS = Date.UTC(2026, 10, 23, 6)
const TOPIC = 'telemetry.readings' as Topic
const EPOCH_2000_MICROS = 946_684_800_000_000

interface Row {
  readonly device: string
  readonly ts: number
  readonly estimated: boolean
  readonly account: number | null
  readonly site: number | null
  readonly values: readonly (number | null)[]
}

/** Reads a binary COPY as PostgreSQL's documentation describes it: independent of the writer. */
function parseCopy(batch: RowBatch): Row[] {
  const copy = batch.finish()
  const leading = ['device_id', 'ts', 'time_estimated', 'account_id', 'site_id']
  expect(batch.columns.slice(0, leading.length)).to.deep.equal(leading)
  const names = batch.columns.slice(leading.length)
  expect(copy.subarray(0, 11).toString('latin1')).to.equal('PGCOPY\n\xff\r\n\0')
  expect([copy.readInt32BE(11), copy.readInt32BE(15)]).to.deep.equal([0, 0])
  const rows: Row[] = []
  let at = 19
  const field = (): Buffer | null => {
    const length = copy.readInt32BE(at)
    at += 4
    if (length === -1) return null
    at += length
    return copy.subarray(at - length, at)
  }
  for (;;) {
    const columns = copy.readInt16BE(at)
    at += 2
    if (columns === -1) break
    expect(columns).to.equal(batch.columns.length)
    const id = (bytes: Buffer | null): number | null => (bytes === null ? null : Number(bytes.readBigInt64BE()))
    rows.push({
      device: String(field()),
      ts: Number(field()?.readBigInt64BE()) + EPOCH_2000_MICROS,
      estimated: field()?.[0] === 1,
      account: id(field()),
      site: id(field()),
      values: valuesOf(new Map(names.map((name) => [name, field()?.readDoubleBE() ?? null]))),
    })
  }
  expect(at).to.equal(copy.length)
  return rows
}

/** Of all quantities in their order: one that has no column has no value. */
function valuesOf(present: ReadonlyMap<string, number | null>): readonly (number | null)[] {
  return quantities.map(({ name }) => present.get(name) ?? null)
}

function record(device: string, samples: readonly object[], offset = 0n): KafkaRecord {
  const none = Object.fromEntries(quantities.map(({ name }) => [name, null]))
  const filled = samples.map((sample) => ({
    ts: RECEIVED_MS * 1000,
    time_estimated: false,
    account_id: null,
    site_id: null,
    ...none,
    ...sample,
  }))
  const datum = type.toBuffer({ device_id: device, firmware: 'hive-1', boot: 1, seq: 2, dropped: 0, samples: filled })
  return { key: Buffer.from(device), value: Buffer.concat([Buffer.from([0, 0, 0, 0, 5]), datum]), timestampMs: RECEIVED_MS, offset }
}

describe('RowBatch', () => {
  const rowBatch = (): RowBatch => new RowBatch(new CopyWriter(64))

  it('writes the rows that avsc wrote as readings, value by value', () => {
    const value = fc.option(fc.double({ noNaN: true }))
    const sample = fc.record({
      ts: fc.integer({ min: -3000, max: 1 }).map((days) => (RECEIVED_MS + days * 86_400_000) * 1000 - 7),
      time_estimated: fc.boolean(),
      account_id: fc.option(fc.integer({ min: 1, max: 2 ** 50 })),
      site_id: fc.option(fc.integer({ min: 1, max: 1000 })),
      temperature: value,
      signal_strength: value,
    })
    fc.assert(
      fc.property(
        fc.uniqueArray(fc.tuple(fc.stringMatching(/^[A-Za-z0-9][A-Za-z0-9_-]{0,63}$/), fc.array(sample, { maxLength: 5 })), {
          maxLength: 8,
          selector: ([device]) => device,
        }),
        (frames) => {
          const target = rowBatch()
          for (const [device, samples] of frames) target.add(TOPIC, 0, record(device, samples), known)
          expect(target.refused).to.deep.equal([])
          expect(parseCopy(target)).to.deep.equal(
            frames.flatMap(([device, samples]) =>
              samples.map(({ ts, time_estimated, account_id, site_id, temperature, signal_strength }) => ({
                device,
                ts,
                estimated: time_estimated,
                account: account_id,
                site: site_id,
                values: quantities.map(({ name }) =>
                  name === 'temperature' ? temperature : name === 'signal_strength' ? signal_strength : null,
                ),
              })),
            ),
          )
        },
      ),
    )
  })

  it("puts each device's rows next to each other, in their order, partition by partition", () => {
    const records = fc.array(fc.tuple(fc.nat(5), fc.nat(3)), { maxLength: 30 })
    fc.assert(
      fc.property(records, fc.nat(), (input, bad) => {
        const target = rowBatch()
        const expected = new Map<string, number[]>()
        for (const [index, [device, samples]] of input.entries()) {
          const times = Array.from({ length: samples }, (_, sample) => RECEIVED_MS * 1000 + index * 10 + sample)
          const partition = device % 2
          expected.set(`d${device}`, [...(expected.get(`d${device}`) ?? []), ...times])
          target.add(
            TOPIC,
            partition,
            record(
              `d${device}`,
              times.map((ts) => ({ ts })),
            ),
            known,
          )
          target.move(TOPIC, partition, BigInt(index), BigInt(index + 1))
        }
        const check = (): void => {
          const moves = target.moves()
          const rows = parseCopy(target)
          const runs = rows.filter(({ device }, index) => rows[index - 1]?.device !== device).map(({ device }) => device)
          expect(runs).to.have.length(new Set(runs).size)
          for (const [device, times] of expected)
            expect(rows.filter((row) => row.device === device).map(({ ts }) => ts)).to.deep.equal(times)
          expect(rows).to.have.length([...expected.values()].flat().length)
          for (const { partition, rows: own } of moves) {
            const numbers = own.flatMap(({ first, end }) => rows.slice(first, end)).map(({ device }) => Number(device.slice(1)) % 2)
            expect(numbers).to.deep.equal(rows.map(({ device }) => Number(device.slice(1)) % 2).filter((each) => each === partition))
          }
        }
        check()
        if (target.rows === 0) return
        // A row's index is that in the stream, whatever came first.
        const row = bad % target.rows
        const gone = parseCopy(target)[row] as Row
        target.exclude([{ row, detail: 'refused' }])
        expected.set(
          gone.device,
          (expected.get(gone.device) ?? []).filter((ts) => ts !== gone.ts),
        )
        check()
      }),
    )
  })

  it('says which days its rows fall on', () => {
    const target = rowBatch()
    const day = Math.floor(RECEIVED_MS / 86_400_000)
    target.add(TOPIC, 0, record('a', [{}, { ts: (RECEIVED_MS - 86_400_000) * 1000 }, {}]), known)
    expect([...target.days].sort()).to.deep.equal([day - 1, day])
  })

  it('reads what a schema with other quantities wrote', () => {
    const older = structuredClone(schema) as { fields: { type: { items: { fields: unknown[] } } }[] }
    const fields = older.fields[5]?.type.items.fields ?? []
    fields.splice(
      4,
      fields.length,
      { name: 'unheard_of', type: ['null', 'double'], default: null },
      { name: 'humidity', type: ['null', 'double'], default: null },
    )
    const writer = avro.Type.forSchema(older as unknown as avro.Schema, { wrapUnions: 'auto', logicalTypes: {} })
    const datum = writer.toBuffer({
      device_id: 'a',
      firmware: 'x-1',
      boot: 0,
      seq: 0,
      dropped: 0,
      samples: [{ ts: RECEIVED_MS * 1000, time_estimated: false, account_id: null, site_id: null, unheard_of: 1, humidity: 55.5 }],
    })
    const target = rowBatch()
    const old = { ...record('a', []), value: Buffer.concat([Buffer.alloc(5), datum]) }
    target.add(TOPIC, 0, old, { tag: 'known', layout: sampleLayout(older) })
    expect(parseCopy(target)[0]?.values[1]).to.equal(55.5)
  })

  it('refuses a sample from 2099, and keeps the others', () => {
    const target = rowBatch()
    target.add(TOPIC, 3, record('a', [{}, { ts: Date.UTC(2099, 0) * 1000 }, {}]), known)
    expect(target.rows).to.equal(2)
    expect(target.refused.map(({ reason, samples, partition }) => [reason, samples, partition])).to.deep.equal([
      ['time-out-of-range', [1], 3],
    ])
  })

  it('takes a sample from 1999 if it is told how old samples may be', () => {
    const old = record('a', [{ ts: Date.UTC(1999, 0) * 1000 }])
    const [usual, patient] = [rowBatch(), new RowBatch(new CopyWriter(64), 36_525)]
    usual.add(TOPIC, 0, old, known)
    patient.add(TOPIC, 0, old, known)
    expect([usual.rows, patient.rows]).to.deep.equal([0, 1])
  })

  it('refuses garbage as a whole, and writes nothing of it', () => {
    const good = record('a', [{}])
    for (const value of [
      null,
      Buffer.from('garbage'),
      (good.value ?? Buffer.alloc(0)).subarray(0, 30),
      Buffer.concat([good.value ?? Buffer.alloc(0), Buffer.from([1])]),
    ]) {
      const target = rowBatch()
      target.add(TOPIC, 0, { ...good, value }, known)
      target.add(TOPIC, 0, good, known)
      expect(target.refused.map(({ reason, samples }) => [reason, samples])).to.deep.equal([['undecodable', []]])
      expect(parseCopy(target)).to.have.length(1)
    }
    const target = rowBatch()
    target.add(TOPIC, 0, good, { tag: 'unknown' })
    expect(target.refused.map(({ reason }) => reason)).to.deep.equal(['unknown-schema'])
  })

  it('leaves out the rows that the database refuses, one after the other, and names their samples', () => {
    const target = rowBatch()
    target.add(TOPIC, 0, record('a', [{ temperature: 1 }, { temperature: 2 }], 10n), known)
    target.add(TOPIC, 1, record('b', [{ temperature: 3 }, { temperature: 4 }, { temperature: 5 }], 20n), known)
    const left = (): unknown[] => parseCopy(target).map(({ values }) => values[0])
    target.exclude([{ row: 3, detail: 'SQLSTATE 23514' }])
    expect(left()).to.deep.equal([1, 2, 3, 5])
    target.exclude([{ row: 3, detail: 'SQLSTATE 23514' }])
    expect(left()).to.deep.equal([1, 2, 3])
    target.exclude([{ row: 0, detail: 'SQLSTATE 23514' }])
    expect(left()).to.deep.equal([2, 3])
    expect(target.refused.map(({ record: { offset }, samples, reason }) => [offset, samples, reason])).to.deep.equal([
      [20n, [1, 2], 'row-refused'],
      [10n, [0], 'row-refused'],
    ])
    expect(() => target.exclude([{ row: 2, detail: 'x' }])).to.throw(RangeError)
  })

  it('takes just the samples that a redrive is about, and names the one when the database refuses it', () => {
    const target = rowBatch()
    const samples = [{ temperature: 1 }, { temperature: 2, ts: Date.UTC(2099, 0) * 1000 }, { temperature: 3 }, { temperature: 5 }]
    target.add(TOPIC, 0, { ...record('a', samples, 1n), only: { samples: [2, 3], quantities: [] } }, known)
    target.add(TOPIC, 0, record('b', [{ temperature: 4 }], 2n), known)
    expect(parseCopy(target).map(({ values }) => values[0])).to.deep.equal([3, 5, 4])
    expect(target.refused).to.deep.equal([])
    target.exclude([{ row: 1, detail: 'SQLSTATE 23514' }])
    expect(target.refused.map(({ samples: refused }) => refused)).to.deep.equal([[3]])
    expect(parseCopy(target).map(({ values }) => values[0])).to.deep.equal([3, 4])
  })

  it('refuses a record with more samples than any frame has, as a whole', () => {
    const target = rowBatch()
    target.add(TOPIC, 0, record('a', Array(10_001).fill({}), 1n), known)
    target.add(TOPIC, 0, record('b', Array(10_000).fill({}), 2n), known)
    expect(target.refused.map(({ reason, detail, samples }) => [reason, detail, samples])).to.deep.equal([
      ['undecodable', 'samples: expected at most 10000, got 10001', []],
    ])
    expect(target.rows).to.equal(10_000)
  })

  it('refuses thousands of samples of a record as one, and what is refused after it was written down as another', () => {
    const target = rowBatch()
    const late = { ts: Date.UTC(2099, 0) * 1000 }
    target.add(TOPIC, 0, record('a', [{}, ...Array.from({ length: 5000 }, () => late), {}], 1n), known)
    target.exclude([{ row: 1, detail: 'SQLSTATE 23514' }])
    expect(target.closeRefused().map(({ reason, samples: refused }) => [reason, refused.length])).to.deep.equal([
      ['time-out-of-range', 5000],
      ['row-refused', 1],
    ])
    target.deadLettersWritten()
    target.exclude([{ row: 0, detail: 'SQLSTATE 23514' }])
    expect(target.closeRefused().map(({ reason, samples: refused }) => [reason, refused])).to.deep.equal([['row-refused', [0]]])
  })

  it('refuses a record of which the samples fall on too many days, and needs no partition for any of them', () => {
    const target = rowBatch()
    const day = 86_400_000_000
    const from = (RECEIVED_MS - 3_000 * 86_400_000) * 1000
    const samples = Array.from({ length: 101 }, (_, index) => ({ ts: from + index * day }))
    target.add(TOPIC, 0, record('a', samples, 1n), known)
    expect(target.refused.map(({ reason, detail }) => [reason, detail])).to.deep.equal([
      ['span-too-long', 'its samples fall on 101 days; expected at most 100'],
    ])
    expect([target.rows, target.dayCount]).to.deep.equal([0, 0])
    target.add(TOPIC, 0, record('b', samples.slice(1), 2n), known)
    // Back and forth between two days is two days.
    target.add(
      TOPIC,
      0,
      record(
        'c',
        Array.from({ length: 300 }, (_, index) => ({ ts: from + (index % 2) * day })),
        3n,
      ),
      known,
    )
    expect([target.rows, target.dayCount, target.refused.length]).to.deep.equal([400, 101, 1])
  })

  it('comes apart into row batches that have together what it had', () => {
    const late = { ts: Date.UTC(2099, 0) * 1000 }
    const sample = fc.constantFrom<object>({ temperature: 1 }, { humidity: 2 }, late)
    const records = fc.array(fc.record({ partition: fc.nat(2), samples: fc.array(sample, { maxLength: 4 }), skip: fc.nat(2) }), {
      minLength: 2,
      maxLength: 12,
    })
    fc.assert(
      fc.property(records, fc.nat(), fc.nat(), (input, cut, bad) => {
        const whole = rowBatch()
        const positions = new Map<number, bigint>()
        for (const { partition, samples, skip } of input) {
          const from = positions.get(partition) ?? 0n
          const at = from + BigInt(skip)
          whole.add(TOPIC, partition, record('a', samples, at), known)
          whole.move(TOPIC, partition, from, at + 1n)
          positions.set(partition, at + 1n)
        }
        if (whole.rows > 0) whole.exclude([{ row: bad % whole.rows, detail: 'x' }])
        whole.closeRefused()
        whole.deadLettersWritten()
        const [moves, rows, refused] = [whole.moves(), parseCopy(whole), whole.refused.length]
        const middle = 1 + (cut % (whole.records - 1))
        // One after the other: they share the memory.
        const bounds = [[0, middle] as const, [middle, input.length] as const]
        expect(bounds.flatMap(([from, end]) => parseCopy(whole.part(from, end)))).to.have.deep.members(rows)
        const halves = bounds.map(([from, end]) => whole.part(from, end))
        expect(halves.reduce((sum, part) => sum + part.refused.length, 0)).to.equal(refused)
        expect(halves.flatMap((part) => part.closeRefused())).to.deep.equal([])
        for (const { partition, from, to, dead } of moves) {
          const own = halves.flatMap((part) => part.moves()).filter((move) => move.partition === partition)
          expect([own[0]?.from, own.at(-1)?.to]).to.deep.equal([from, to])
          if (own.length === 2) expect(own[0]?.to).to.equal(own[1]?.from)
          expect(own.reduce((sum, move) => sum + move.dead, 0)).to.equal(dead)
        }
      }),
    )
  })

  it('says of which records anything was refused, by partition', () => {
    const target = rowBatch()
    const late = { ts: Date.UTC(2099, 0) * 1000 }
    const records = [
      record('a', [late, {}]),
      record('b', [late, late]),
      record('c', [{}]),
      { ...record('d', []), value: null },
      record('e', []),
    ]
    records.forEach((each, index) => {
      target.add(TOPIC, 0, each, known)
      target.move(TOPIC, 0, BigInt(index), BigInt(index + 1))
    })
    target.add(TOPIC, 1, records[2] as KafkaRecord, known)
    expect(target.moves()[0]).to.include({ dead: 3 })
    expect(target.outcomes()).to.deep.equal([
      { topic: TOPIC, partition: 0, records, bad: [0, 1, 3] },
      { topic: TOPIC, partition: 1, records: [records[2]], bad: [] },
    ])
    expect(records.slice(0, 2).map((each) => target.rowsOf(each))).to.deep.equal([1, 0])
  })

  it('says how far each partition moves and which rows are its own', () => {
    const target = rowBatch()
    for (const [partition, offset, samples] of [
      [0, 5n, 2],
      [1, 9n, 1],
      [1, 10n, 0],
      [0, 6n, 3],
      [1, 11n, 1],
    ] as const) {
      target.add(
        TOPIC,
        partition,
        record(
          'a',
          Array.from({ length: samples }, () => ({})),
          offset,
        ),
        known,
      )
      target.move(TOPIC, partition, offset, offset + 1n)
    }
    expect(target.moves().map(({ partition, from, to, rows, dead }) => ({ partition, from, to, rows, dead }))).to.deep.equal([
      {
        partition: 0,
        from: 5n,
        to: 7n,
        rows: [
          { first: 0, end: 2 },
          { first: 3, end: 6 },
        ],
        dead: 0,
      },
      {
        partition: 1,
        from: 9n,
        to: 12n,
        rows: [
          { first: 2, end: 3 },
          { first: 6, end: 7 },
        ],
        dead: 0,
      },
    ])
  })
})
