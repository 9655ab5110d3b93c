import { expect } from 'chai'
import { avroOutput, avroSource } from '../../processors/avro.ts'
import { defineProcessor, drop, emit, type LookupName, type Lookups, type Outcome, reject, type Topic } from '../../processors/contract.ts'
import { table } from '../../processors/lookup-table.ts'
import { processor as standardise } from '../../processors/standardise/processor.ts'
import { readingFrames } from '../../processors/topics.ts'
import { processor as translate } from '../../processors/translate/processor.ts'
import type { AvroSchema } from '../../schemas/avro-schema.ts'
import { readFirmwares } from '../../schemas/files.ts'
import { rawSchema } from '../../schemas/generated/raw.ts'
import { avroRecord, bytesRecord, checkProcessor, feed, type GivenLookups, readingsRecord, type TestRecord } from '../testing.ts'

interface Weighing {
  device_id: string
  grams: number
  parts: number[]
}

const weighing: AvroSchema<Weighing> = {
  path: 'weighing.avsc',
  json: {
    type: 'record',
    name: 'Weighing',
    fields: [
      { name: 'device_id', type: 'string' },
      { name: 'grams', type: 'float' },
      { name: 'parts', type: { type: 'array', items: 'int' } },
    ],
  },
}
const source = avroSource('weighings' as Topic, weighing)
const totals = avroOutput('totals' as Topic, weighing)
type To = { readonly totals: typeof totals }

const record = (grams: number, device = 'scale-1'): TestRecord =>
  avroRecord(weighing, { device_id: device, grams, parts: [1, 2] }, { key: device })

/** A processor with this decision, whatever the compiler would say of it. */
const processorOf = (handle: (item: Weighing, lookups: Lookups) => unknown, needs: readonly LookupName[] = []) =>
  defineProcessor({
    from: source,
    to: { totals },
    needs,
    reasons: { heavy: { means: 'It is heavy.', whatToDo: 'Lift it.' } },
    handle: handle as (item: Weighing, lookups: Lookups) => Outcome<To, 'heavy'>,
  })

/** What the check says of it. */
function problemsOf(handle: (item: Weighing, lookups: Lookups) => unknown, records = [record(1), record(2), record(3)]): string {
  try {
    checkProcessor(processorOf(handle), records)
  } catch (cause) {
    return (cause as Error).message
  }
  return ''
}

describe('checkProcessor', () => {
  it('says what became of each record', () => {
    const handle = ({ grams, ...rest }: Weighing) =>
      grams > 100
        ? reject('heavy', `${grams} g`)
        : grams === 0
          ? drop('empty')
          : [emit('totals', { ...rest, grams: grams * 2 }), drop('weighed')]
    const outcomes = checkProcessor(processorOf(handle), [record(0.5), record(0), record(101), bytesRecord(Buffer.from('no Avro'))])
    const value = { device_id: 'scale-1', grams: 1, parts: [1, 2] }
    const nothing = { emitted: [], dropped: {}, rejected: [] }
    expect(outcomes).to.deep.equal([
      { ...nothing, emitted: [{ output: 'totals', key: 'scale-1', value }], dropped: { weighed: 1 } },
      { ...nothing, dropped: { empty: 1 } },
      { ...nothing, rejected: [{ reason: 'heavy', detail: '101 g', samples: [], quantities: [] }] },
      {
        ...nothing,
        rejected: [
          {
            reason: 'undecodable',
            detail: 'expected a schema ID after a zero byte, got byte 110',
            samples: [],
            quantities: [],
          },
        ],
      },
    ])
  })

  it('finds a processor that changes its input', () => {
    const handle = (item: Weighing) => {
      item.parts.push(3)
      return emit('totals', item)
    }
    expect(problemsOf(handle)).to.include('record 1 (scale-1): handle changed its input: parts[2] was nothing, and is 3')
  })

  it('finds a source that changes the bytes of the record', () => {
    const decode: typeof source.decode = (own, lookups, each) => {
      source.decode(own, lookups, each)
      own.value?.writeUInt8(9, 4)
    }
    const processor = defineProcessor({ from: { ...source, decode }, to: {}, handle: () => drop('all') })
    expect(() => checkProcessor(processor, [record(1)])).to.throw('record 0 (scale-1): the bytes of the record were changed')
  })

  it('finds a processor that remembers, counts, draws lots or reads the clock', () => {
    let [last, calls] = [0, 0]
    const remembers = ({ grams, ...rest }: Weighing) => {
      const before = last
      last = grams
      return emit('totals', { ...rest, grams: before })
    }
    expect(problemsOf(remembers)).to.include('record 0 (scale-1): not deterministic: again, emitted[0].value.grams is 3, and was 0')
    expect(problemsOf((item) => emit('totals', { ...item, grams: calls++ }))).to.include('not deterministic')
    expect(problemsOf((item) => emit('totals', { ...item, grams: Math.fround(Math.random()) }))).to.include('not deterministic')
    const isLate = (now: number) => drop(`day-${Math.floor(now / 86_400_000)}`)
    expect(problemsOf(() => isLate(Date.now()))).to.include('not deterministic: a day later')
    expect(problemsOf(() => isLate(Date.parse(new Date().toISOString())))).to.include('not deterministic: a day later')
    expect(new Date().constructor).to.equal(Date)
    expect(Date.now() - new Date(Date.now()).getTime()).to.equal(0)
  })

  it('takes a processor of whole frames, whose input is lent to it', () => {
    const alarm = defineProcessor({
      from: readingFrames,
      to: { totals },
      handle: (frame) => emit('totals', { device_id: frame.deviceId, grams: frame.count, parts: [frame.boot] }),
    })
    const frame = readingsRecord([
      { device_id: 'a', boot: 7, temperature: 1 },
      { device_id: 'a', boot: 7 },
    ])
    const [outcome] = checkProcessor(alarm, [frame, readingsRecord({ device_id: 'b' })])
    expect(outcome?.emitted).to.deep.equal([{ output: 'totals', key: 'a', value: { device_id: 'a', grams: 2, parts: [7] } }])
  })

  it('finds an output that its schema rounds or leaves out', () => {
    expect(problemsOf((item) => emit('totals', { ...item, grams: 0.1 }))).to.include(
      'totals.grams was emitted as 0.1, and is read back as 0.10000000149011612',
    )
    expect(problemsOf((item) => emit('totals', { ...item, kilos: 3 }))).to.include(
      'totals.kilos was emitted as 3, and is read back as nothing',
    )
  })

  it('finds what is not declared, does not fit, and throws', () => {
    expect(problemsOf((item) => emit('others', item))).to.include('it threw: emitted to "others", which it does not declare')
    expect(problemsOf(() => reject('light', ''))).to.include('it threw: rejected for "light", which is not in its list of reasons')
    expect(problemsOf((item) => emit('totals', { ...item, parts: [0.5] }))).to.include('it threw: invalid "int": 0.5')
    expect(problemsOf(() => JSON.parse('{'))).to.include('it threw: ')
  })

  it('names all of it in one message, a problem once', () => {
    const message = problemsOf((item) => {
      item.grams = 7
      return emit('totals', { ...item, grams: 0.1 })
    })
    expect(message.split('\n')).to.have.length(1 + 3 * 2)
  })
})

describe('look-ups that a test gives', () => {
  const asks = processorOf(
    ({ device_id }, { assignments }) => drop(assignments(device_id as never) === undefined ? 'unknown' : 'known'),
    ['assignments'],
  )
  const drops = (lookups: GivenLookups) => feed(asks, [record(1)], lookups)[0]?.dropped

  it('answer what they have: nobody, no account, an account', () => {
    expect(drops({ assignments: { 'scale-1': null } })).to.deep.equal({ unknown: 1 })
    expect(drops({ assignments: { 'scale-1': [] } })).to.deep.equal({ known: 1 })
  })

  it('say what the test did not give, also if the processor catches that', () => {
    const message =
      'record 0 (scale-1): it looked up the assignments of "scale-1", which the test does not give: add lookups.assignments["scale-1"]'
    expect(() => drops({})).to.throw(message)
    expect(() => feed(asks, [record(1, 'constructor')], { assignments: { 'scale-1': [] } })).to.throw('assignments["constructor"]')
    const catches = processorOf(
      ({ device_id }, { assignments }) => {
        try {
          assignments(device_id as never)
        } catch {
          // Nobody must do this.
        }
        return drop('quiet')
      },
      ['assignments'],
    )
    expect(() => feed(catches, [record(1)])).to.throw(message)
  })

  it('are tables too: the whole table, by key', () => {
    const limits = table({ name: 'limits', key: 'device_id', columns: { grams: 'bigint', until: 'micros', note: 'text?' } })
    const processor = defineProcessor({
      from: source,
      to: {},
      tables: { limits },
      handle: ({ device_id, grams }, { table }) => {
        const limit = table.limits.get(device_id)
        return drop(
          limit === undefined ? 'no-limit' : grams > limit.grams && limit.until === Infinity && limit.note === null ? 'over' : 'under',
        )
      },
    })
    const row = { grams: '9007199254740993', until: 'Infinity' }
    const outcomes = checkProcessor(processor, [record(2 ** 60), record(1), record(1, 'other')], { tables: { limits: { 'scale-1': row } } })
    expect(outcomes.map(({ dropped }) => Object.keys(dropped))).to.deep.equal([['over'], ['under'], ['no-limit']])
    expect(() => feed(processor, [record(1)])).to.throw('it looked up table limits, and the test gives no lookups.tables["limits"]')
    expect(() => feed(processor, [record(1)], { tables: { limits: { a: { grams: 1 } } } })).to.throw(
      'lookups.tables.limits["a"]: expected a value of column until, got undefined',
    )
  })

  it('are refused to a processor that does not declare them', () => {
    const forgets = processorOf(({ device_id }, { assignments }) => drop(String(assignments(device_id as never))))
    expect(() => feed(forgets, [record(1)], { assignments: { 'scale-1': [] } })).to.throw(
      'it looked up assignments, which is not in its `needs`: a service would not have the answer',
    )
  })

  it('cannot be changed by the processor', () => {
    const changes = processorOf(
      ({ device_id }, { assignments }) => {
        ;(assignments(device_id as never) as unknown[]).pop()
        return drop('changed')
      },
      ['assignments'],
    )
    expect(() => checkProcessor(changes, [record(1)], { assignments: { 'scale-1': [] } })).to.throw('it threw: Cannot')
  })
})

describe('records of a test', () => {
  it('are frames too: the schema of a record is its firmware', () => {
    const hive = readFirmwares().find(({ firmware }) => firmware.id === 'hive-1')
    const frame = {
      boot: 1,
      seq: 0,
      clock: 'SYNCED',
      base: 1_767_225_600_000,
      dropped: 0,
      dt: [0, 1000],
      temperature: [2150, 25],
      humidity: [4000, 0],
    }
    const frames: AvroSchema<typeof frame> = { path: 'hive-1.avsc', json: hive?.file.json }
    const lookups = { assignments: { 'hive-7': [{ accountId: 3, siteId: null }] } }
    const [outcome] = checkProcessor(standardise, [avroRecord(frames, frame, { key: 'hive-7' })], lookups)
    expect(outcome?.emitted).to.have.length(1)
    expect(outcome?.emitted[0]).to.have.nested.include({ 'value.samples[1].temperature': 21.75, 'value.samples[0].account_id': 3 })
    const uptime = avroRecord(frames, { ...frame, clock: 'UPTIME', base: 5_000 }, { key: 'hive-7' })
    const [since] = checkProcessor(standardise, [uptime], { ...lookups, anchors: { 'hive-7': { 1: 1_767_225_000_000_000 } } })
    expect(since?.emitted[0]).to.have.nested.include({ 'value.samples[0].ts': 1_767_225_005_000_000 })
    expect(() => feed(standardise, [uptime], lookups)).to.throw('add lookups.anchors["hive-7"][1]')
  })

  it('are messages of a dialect, which is given by its text', () => {
    const dialect = [
      'dialect: thermo',
      'version: 1',
      'payload: json',
      'topics: ["thermo/{device}/state"]',
      'device: "{device}"',
      'time: [{ receipt: true }]',
      'samples: [{ quantities: { temperature: { path: "$.t" } } }]',
    ].join('\n')
    const message = { topic: 'thermo/a-1/state', payload: Buffer.from('{"t": 21.5}'), received: 1_767_225_600_000_000, retained: false }
    const lookups: GivenLookups = { dialects: [dialect], speaksFor: {}, assignments: { 'a-1': [] } }
    const [outcome] = checkProcessor(translate, [avroRecord(rawSchema, message, { key: 'a-1' })], lookups)
    expect(outcome?.emitted[0]).to.have.nested.include({ key: 'a-1', 'value.samples[0].temperature': 21.5 })
  })

  it('have no field that readings do not have, and samples of one frame', () => {
    expect(() => readingsRecord({ device_id: 'a', temprature: 3 } as never)).to.throw('readings have no field "temprature"')
    expect(() =>
      readingsRecord([
        { device_id: 'a', seq: 1 },
        { device_id: 'a', seq: 2 },
      ]),
    ).to.throw('samples of one record have one seq: sample 0 has 1, sample 1 has 2')
    expect(() => readingsRecord([])).to.throw('at least one sample')
    expect(readingsRecord({ device_id: 'a/brood' }).key).to.equal('a')
  })
})
