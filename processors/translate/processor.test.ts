import { expect } from 'chai'
import fc from 'fast-check'
import { avroType } from '../../schemas/avro-type.ts'
import { readSchema } from '../../schemas/files.ts'
import { MOST_SAMPLES } from '../../schemas/frame-reader.ts'
import { rawSchema } from '../../schemas/generated/raw.ts'
import type { Readings } from '../../schemas/generated/readings.ts'
import { parseDialect } from '../../schemas/parse-dialect.ts'
import { WIRE_BYTES } from '../../schemas/wire-format.ts'
import { avroOutput } from '../avro.ts'
import type { Assignment, Lookups, RecordPart } from '../contract.ts'
import { byReason } from '../rejections.ts'
import { readings, topics } from '../topics.ts'
import { compileDialect } from './dialect.ts'
import { processor } from './processor.ts'

const BARN = `
dialect: barn
version: 2
payload: json
topics: ["barn/{gateway}/all"]
key: "{gateway}"
device: { path: "@.tag" }
time: [{ path: "@.at", format: iso8601 }, { receipt: true }]
samples:
  - each: "$.tags[*]"
    quantities:
      temperature: { path: "@.t" }
      humidity: { path: "@.h" }
`
const PROBE = `
dialect: probe
version: 3
payload: json
topics: ["probe/{device}/state"]
time: [{ path: "$.at", format: unix-ms }, { receipt: true }]
samples:
  - quantities:
      temperature: { path: "$.t" }
      humidity: { path: "$.h" }
      latitude: { path: "$.lat" }
      longitude: { path: "$.lon" }
  - each: "$.legs.{leg}"
    channel: "{leg}"
    quantities:
      weight: { path: "@.kg" }
`
const dialects = [BARN, PROBE].map((text, index) => compileDialect(parseDialect(text, `test-${index}.yaml`), {}))
const quiet = compileDialect(parseDialect(`${BARN}unknown_devices: ignore\n`, 'quiet.yaml'), {})

const RECEIVED_MS = Date.UTC(2026, 10, 29, 6)
const always: Assignment = { fromMicros: -Infinity, toMicros: Infinity, accountId: 7, siteId: 9 }
const encodeRaw = avroOutput(topics.raw, rawSchema).encoder(1, 1_000_000)
const readingsType = avroType(readSchema('readings').json)

interface Input {
  readonly topic?: string
  readonly key?: string | null
  readonly payload: unknown
  readonly receivedMs?: number
  readonly only?: RecordPart
  readonly dialects?: readonly (typeof quiet)[]
  /** Devices that the app database has. */
  readonly devices?: readonly string[]
  readonly assignments?: readonly Assignment[]
  /** `gateway device`, as rules have it. */
  readonly rules?: readonly string[]
}

interface Result {
  readonly sent: readonly { readonly key: string; readonly readings: Readings; readonly bytes: Buffer }[]
  readonly rejected: readonly {
    readonly reason: string
    readonly detail: string
    readonly samples: readonly number[]
    readonly quantities?: readonly string[]
    readonly about?: string | undefined
  }[]
  readonly dropped: readonly string[]
  /** Devices that were looked up. */
  readonly asked: readonly string[]
}

function run(input: Input): Result {
  const {
    topic = 'barn/gate/all',
    payload,
    receivedMs = RECEIVED_MS,
    only,
    devices = ['a', 'b', 'c'],
    rules = ['gate a', 'gate b'],
  } = input
  const known = input.dialects ?? dialects
  const asked: string[] = []
  const lookups: Lookups = {
    firmware: () => ({ tag: 'unknown' }),
    assignments: (device) => {
      asked.push(device)
      return devices.includes(device) ? (input.assignments ?? [always]) : undefined
    },
    anchor: () => Number.NaN,
    speaksFor: (gateway, device) => rules.includes(`${gateway} ${device}`),
    dialect: (wanted) =>
      known.map((dialect) => ({ dialect, captures: dialect.match(wanted) })).find(({ captures }) => captures !== undefined) as never,
    schema: () => rawSchema.json,
  }
  const text = Buffer.isBuffer(payload) ? payload : Buffer.from(typeof payload === 'string' ? payload : JSON.stringify(payload))
  const value = encodeRaw({ topic, payload: text, received: receivedMs * 1000 + 250, retained: false }) as Buffer
  const key = input.key === undefined ? (topic.split('/')[1] ?? '') : input.key
  const record = {
    key: key === null ? null : Buffer.from(key),
    value,
    timestampMs: receivedMs,
    offset: 0n,
    ...(only === undefined ? {} : { only }),
  }
  const encode = readings.encoder(11, 1_000_000)
  const sent: Result['sent'][number][] = []
  const rejected: Result['rejected'][number][] = []
  const dropped: string[] = []
  processor.from.decode(record, lookups, (item) => {
    const result = processor.handle(item, lookups)
    for (const outcome of 'tag' in result ? [result] : result) {
      if (outcome.tag === 'emit') {
        const bytes = encode(outcome.value) as Buffer
        sent.push({ key: String(outcome.key ?? key), readings: readingsType.fromBuffer(bytes.subarray(WIRE_BYTES)) as Readings, bytes })
      } else if (outcome.tag === 'reject') {
        const { reason, detail, samples, quantities, about } = outcome
        rejected.push({ reason, detail, samples, ...(quantities === undefined ? {} : { quantities }), about: about?.toString() })
      } else dropped.push(outcome.reason)
    }
  })
  return { sent, rejected, dropped, asked }
}

const valuesOf = ({ readings: { samples } }: Result['sent'][number]): readonly unknown[] =>
  samples.map(({ ts, temperature, humidity }) => [ts / 1000 - RECEIVED_MS, temperature, humidity])

describe('translate', () => {
  const at = (ms: number): string => new Date(RECEIVED_MS + ms).toISOString()

  it('makes readings of a message, under the name of its dialect, with account and site as of their time', () => {
    const moved = (RECEIVED_MS - 500) * 1000
    const { sent, rejected } = run({
      topic: 'probe/a/state',
      payload: { at: RECEIVED_MS - 1000, t: 21.5, h: null },
      assignments: [
        { fromMicros: -Infinity, toMicros: moved, accountId: 1, siteId: 2 },
        { fromMicros: moved, toMicros: Infinity, accountId: 1, siteId: null },
      ],
    })
    expect(rejected).to.deep.equal([])
    expect(sent).to.have.length(1)
    const { key, readings: made } = sent[0] as Result['sent'][number]
    expect(key).to.equal('a')
    expect(made).to.deep.include({ device_id: 'a', firmware: 'probe@3', boot: 0, seq: 0, dropped: 0 })
    expect(made.samples).to.have.length(1)
    expect(made.samples[0]).to.deep.include({
      ts: (RECEIVED_MS - 1000) * 1000,
      time_estimated: false,
      account_id: 1,
      site_id: 2,
      temperature: 21.5,
      humidity: null,
    })
  })

  it('keeps the samples of each device of a message together, in order, under its own key', () => {
    const { sent, rejected } = run({
      payload: {
        tags: [
          { tag: 'a', at: at(-3000), t: 1 },
          { tag: 'b', at: at(-2000), t: 2 },
          { tag: 'a', at: at(-1000), t: 3, h: 50 },
        ],
      },
    })
    expect(rejected).to.deep.equal([])
    expect(sent.map((each) => [each.key, each.readings.device_id, valuesOf(each)])).to.deep.equal([
      [
        'a',
        'a',
        [
          [-3000, 1, null],
          [-1000, 3, 50],
        ],
      ],
      ['b', 'b', [[-2000, 2, null]]],
    ])
  })

  it('writes the channels of a device as sub-devices, under the key of the device', () => {
    const { sent } = run({ topic: 'probe/a/state', payload: { at: RECEIVED_MS, t: 5, legs: { left: { kg: 20 }, right: { kg: 21 } } } })
    expect(sent.map(({ key, readings: { device_id, samples } }) => [key, device_id, samples[0]?.weight])).to.deep.equal([
      ['a', 'a', null],
      ['a', 'a/left', 20],
      ['a', 'a/right', 21],
    ])
  })

  it('rejects half a position, and stores the rest of its sample', () => {
    const half = run({ topic: 'probe/a/state', payload: { at: RECEIVED_MS, t: 5, lat: 48.2 } })
    expect(half.sent.map(({ readings: { samples } }) => [samples[0]?.temperature, samples[0]?.latitude])).to.deep.equal([[5, null]])
    expect(half.rejected.map(({ reason, quantities }) => [reason, quantities])).to.deep.equal([['incomplete-position', ['latitude']]])
    const whole = run({ topic: 'probe/a/state', payload: { at: RECEIVED_MS, lat: 48.2, lon: 16.4 } })
    expect(whole.rejected).to.deep.equal([])
  })

  it('takes half a position at an estimated time: the other half may come in a message of its own', () => {
    const half = run({ topic: 'probe/a/state', payload: { lat: 48.2 } })
    expect([half.sent.map(({ readings: { samples } }) => samples[0]?.latitude), half.rejected]).to.deep.equal([[48.2], []])
  })

  it('rejects devices that the gateway may not speak for without asking for them, and names the command', () => {
    const { sent, rejected, asked } = run({
      payload: {
        tags: [
          { tag: 'a', t: 1 },
          { tag: 'c', t: 2 },
          { tag: 'stranger', t: 3 },
          { tag: 'c', t: 2, at: at(-9) },
        ],
      },
    })
    expect(sent.map(({ key }) => key)).to.deep.equal(['a'])
    expect(rejected.map(({ reason, samples, about }) => [reason, samples, about])).to.deep.equal([
      ['not-via-this-gateway', [1], 'c'],
      ['not-via-this-gateway', [2], 'stranger'],
      ['not-via-this-gateway', [3], 'c'],
    ])
    expect(rejected[0]?.detail).to.equal(
      'c may not come via gate. If it may: millrace devices via gate c, or for a new device millrace devices add c --account ACCOUNT --via gate',
    )
    expect(asked).to.deep.equal(['a'])
  })

  it('quotes what a topic has in the command that it names', () => {
    const { rejected } = run({ key: "it's; rm -rf", payload: { tags: [{ tag: 'c', t: 2 }] } })
    expect(rejected[0]?.detail).to.include(`millrace devices via 'it'\\''s; rm -rf' c,`)
  })

  it('rejects a device that nobody provisioned, by name of the device', () => {
    const { rejected } = run({ rules: ['gate new'], payload: { tags: [{ tag: 'new', t: 1 }] } })
    expect(rejected).to.deep.equal([
      {
        reason: 'unknown-device',
        detail: 'new is not in the app database: millrace devices add new --account ACCOUNT',
        samples: [0],
        quantities: [],
        about: 'new',
      },
    ])
  })

  it('takes a device by its topic, and a gateway that is the device', () => {
    expect(run({ topic: 'probe/c/state', payload: { t: 1 }, rules: [] }).sent.map(({ key }) => key)).to.deep.equal(['c'])
    expect(run({ topic: 'barn/c/all', payload: { tags: [{ tag: 'c', t: 1 }] }, rules: [] }).sent.map(({ key }) => key)).to.deep.equal(['c'])
  })

  it('counts what a dialect ignores: devices of others, and devices that nobody provisioned', () => {
    const { sent, rejected, dropped } = run({
      dialects: [quiet],
      rules: ['gate new'],
      payload: {
        tags: [
          { tag: 'new', t: 1 },
          { tag: 'c', t: 1 },
          { tag: 'gate', t: 1 },
        ],
      },
      devices: ['c', 'gate'],
    })
    expect([sent.map(({ key }) => key), rejected, dropped]).to.deep.equal([['gate'], [], ['unknown-device', 'unknown-device']])
  })

  it('rejects a value out of range by the number of its sample, and lets its neighbours go on', () => {
    const { sent, rejected } = run({
      payload: {
        tags: [
          { tag: 'b', t: 1 },
          { tag: 'a', t: 4000, h: 40 },
          { tag: 'a', t: 5, h: 41, at: at(-5) },
        ],
      },
    })
    expect(rejected).to.deep.equal([
      {
        reason: 'out-of-range',
        detail: 'a: temperature is 4000 Cel; expected -60 to 200',
        samples: [1],
        quantities: ['temperature'],
        about: 'a',
      },
    ])
    expect(
      sent
        .filter(({ key }) => key === 'a')
        .flatMap(({ readings: { samples } }) => samples.map(({ temperature, humidity }) => [temperature, humidity])),
    ).to.have.deep.members([
      [null, 40],
      [5, 41],
    ])
  })

  it('rejects a time that is too far from its receipt', () => {
    const { sent, rejected } = run({ payload: { tags: [{ tag: 'a', t: 1, at: '2010-01-01T00:00:00Z' }] } })
    expect(sent).to.deep.equal([])
    expect(rejected).to.deep.equal([
      {
        reason: 'time-out-of-range',
        detail: 'a: 2010-01-01T00:00:00.000Z was received at 2026-11-29T06:00:00.000Z',
        samples: [0],
        quantities: [],
        about: 'a',
      },
    ])
  })

  it('rejects what no dialect takes, and what has no key', () => {
    expect(run({ topic: 'foreign/x', payload: {} }).rejected).to.deep.equal([
      {
        reason: 'unknown-topic',
        detail: 'no dialect takes "foreign/x"; once one does: millrace redrive translate --reason unknown-topic',
        samples: [],
        quantities: [],
        about: undefined,
      },
    ])
    expect(run({ key: null, payload: {} }).rejected.map(({ reason }) => reason)).to.deep.equal(['bad-key'])
  })

  it('keeps details short and printable, however long or strange topic, gateway and device are', () => {
    const long = `x${'\u001b[2J/y'.repeat(8000)}`
    const details = [
      run({ topic: long, payload: {} }),
      run({ key: long, payload: { tags: [{ tag: 'c', t: 1 }] } }),
      run({ key: "it's", payload: { tags: [{ tag: long, t: 1 }] } }),
    ].flatMap(({ rejected }) => rejected.map(({ detail }) => detail))
    expect(details).to.have.length(3)
    for (const detail of details) {
      expect(detail.length, detail.slice(0, 300)).to.be.lessThan(400)
      expect(detail).to.match(/^[\x20-\x7e…]*$/)
    }
    expect(details[1]).to.include('its name is longer than the 512 bytes of which there can be a rule')
  })

  describe('in a redrive of a part', () => {
    const payload = {
      tags: [
        { tag: 'a', t: 1, h: 2 },
        { tag: 'new', t: 3, h: 4 },
        { tag: 'a', t: 5, h: 6, at: at(-5) },
      ],
    }
    const rules = ['gate a', 'gate new']

    it('gives these samples and quantities, and nothing else', () => {
      const devices = ['a', 'new']
      const whole = run({ payload, rules, devices, only: { samples: [1], quantities: [] } })
      expect(
        whole.sent.map(({ key, readings: { samples } }) => [key, samples.map(({ temperature, humidity }) => [temperature, humidity])]),
      ).to.deep.equal([['new', [[3, 4]]]])
      const one = run({ payload, rules, devices, only: { samples: [1, 2], quantities: ['humidity'] } })
      expect(
        one.sent.map(({ key, readings: { samples } }) => [key, samples.map(({ temperature, humidity }) => [temperature, humidity])]),
      ).to.deep.equal([
        ['new', [[null, 4]]],
        ['a', [[null, 6]]],
      ])
    })

    it('keeps to the part for what fails again', () => {
      const { rejected } = run({ payload, rules, devices: [], only: { samples: [1], quantities: ['humidity'] } })
      expect(rejected.map(({ reason, samples, quantities }) => [reason, samples, quantities])).to.deep.equal([
        ['unknown-device', [1], ['humidity']],
      ])
      const gone = run({ topic: 'foreign/x', payload, only: { samples: [1], quantities: ['humidity'] } })
      expect(gone.rejected.map(({ reason, samples, quantities }) => [reason, samples, quantities])).to.deep.equal([
        ['unknown-topic', [1], ['humidity']],
      ])
    })

    it('says that a sample has no reading of the quantity any more, and fails if the sample is gone', () => {
      expect(run({ payload, rules, only: { samples: [0], quantities: ['weight'] } }).dropped).to.deep.equal(['no-reading'])
      expect(() => run({ payload, rules, only: { samples: [7], quantities: [] } })).to.throw(
        'the dialect finds no sample 7 in the message any more',
      )
    })
  })

  it('gives one dead letter for a reason, whatever the number of foreign tags', () => {
    const tags = Array.from({ length: 1306 }, (_, index) => ({ tag: `foreign-${index}`, t: 1 }))
    const { rejected, asked } = run({ payload: { tags: [{ tag: 'a', t: 1 }, ...tags] } })
    const letters = byReason(rejected.map(({ reason, detail, samples }) => ({ reason, detail, samples })))
    expect(letters).to.have.length(1)
    expect(letters[0]?.samples).to.have.length(1306)
    expect(letters[0]?.detail.length).to.be.lessThan(1000)
    expect(asked).to.deep.equal(['a'])
  })

  it('gives the same bytes for the same message, and keeps nothing of one for the next', () => {
    const sample = fc.record(
      {
        tag: fc.constantFrom('a', 'b', 'c', 'new', 'no device'),
        t: fc.oneof(fc.double(), fc.constantFrom(null, 'text', 1e9)),
        h: fc.oneof(fc.integer({ min: -10, max: 120 }), fc.constant({})),
        at: fc.oneof(fc.constantFrom('2010-01-01', '', null), fc.integer({ min: -1_000_000, max: 1_000_000 }).map(at)),
      },
      { requiredKeys: ['tag'] },
    )
    const message = fc.record({ tags: fc.array(sample, { maxLength: 8 }) })
    const outputs = ({ sent, rejected, dropped }: Result): unknown => [
      sent.map(({ key, bytes }) => [key, bytes.toString('hex')]),
      rejected,
      dropped,
    ]
    fc.assert(
      fc.property(message, message, (payload, other) => {
        const first = outputs(run({ payload }))
        run({ payload: other })
        expect(outputs(run({ payload }))).to.deep.equal(first)
      }),
    )
  })

  it('takes every sample of a message into account: emitted, rejected or dropped', () => {
    const tags = Array.from({ length: MOST_SAMPLES / 100 }, (_, index) => ({
      tag: ['a', 'b', 'c', 'new'][index % 4],
      at: at(-index),
      t: index * 7 - 300,
    }))
    const { sent, rejected } = run({ payload: { tags } })
    const emitted = sent.reduce((sum, { readings: { samples } }) => sum + samples.length, 0)
    expect(emitted + rejected.reduce((sum, { samples }) => sum + samples.length, 0)).to.equal(tags.length)
  })
})
