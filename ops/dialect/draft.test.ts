import { readdirSync, readFileSync } from 'node:fs'
import { expect } from 'chai'
import fc from 'fast-check'
import type { RawMessage } from '../../processors/translate/translation.ts'
import { projectRoot } from '../../schemas/files.ts'
import { NoDraftError } from './draft-parts.ts'
import { parseExample } from './example.ts'
import { groupBy } from './guess-topics.ts'
import { learn } from './learn.ts'
import { Observations } from './observed.ts'

const RECEIVED = Date.parse('2026-11-29T03:30:05.250Z') * 1_000

const message = (topic: string, payload: unknown, retained = false): RawMessage => ({
  topic,
  payload: Buffer.isBuffer(payload) ? payload : Buffer.from(typeof payload === 'string' ? payload : JSON.stringify(payload)),
  receivedMicros: RECEIVED,
  retained,
})

function lesson(messages: readonly RawMessage[], filter = '#'): ReturnType<typeof learn> {
  const observations = new Observations()
  for (const each of messages) observations.add(each)
  return learn(observations.observed(), filter, 'draft')
}

/** Lines of a draft without comments. */
const linesOf = (text: string): readonly string[] =>
  text
    .split('\n')
    .filter((line) => !line.startsWith('#'))
    .map((line) => line.replace(/ {2}# .*$/, '').trim())

describe('the draft of a dialect', () => {
  it('has the topics of a firmware with a message for each value', () => {
    const { draft, samples, rejections } = lesson(
      [
        message('shellies/shellyem-4C11AE/emeter/0/power', '-412.75'),
        message('shellies/shellyem-4C11AE/emeter/1/power', '17.5'),
        message('shellies/shellyem-4C11AE/emeter/0/voltage', '231.2'),
        message('shellies/shellyht-77/sensor/temperature', '21.5'),
        message('shellies/shellyht-77/sensor/humidity', 'nan'),
        message('shellies/shellyht-77/online', 'true'),
      ],
      'shellies/#',
    )
    const lines = linesOf(draft.text)
    expect(lines).to.include('payload: text')
    expect(lines).to.include('- "shellies/{device}/emeter/{channel}/{metric}"')
    expect(lines).to.include('- "shellies/{device}/sensor/{metric}"')
    expect(lines).to.include('- { receipt: true, floor: 1s }')
    expect(lines).to.include('humidity: { named: "humidity", missing: ["nan"] }')
    expect(lines).to.include('topic: "shellies/{device}/online"')
    expect(lines).to.include('map: { "true": ready, "false": lost }')
    expect([samples, rejections]).to.deep.equal([4, []])
  })

  it('has the members of objects, with units that the message tells', () => {
    const plug = (Time: string, sensors: object): object => ({ Time, ...sensors, TempUnit: 'F' })
    const { draft, samples, rejections } = lesson(
      [
        message(
          'tele/brood-box/SENSOR',
          plug('2026-11-29T04:30:04', { 'DS18B20-1': { Id: 'a', Temperature: 93.2 }, 'DS18B20-2': { Id: 'b', Temperature: 94.1 } }),
        ),
        message(
          'tele/orchard-plug/SENSOR',
          plug('2026-11-29T04:30:05', { BME280: { Temperature: 48, Humidity: 81.3, DewPoint: 40 }, ENERGY: { Power: 37, Voltage: 231 } }),
        ),
        message('tele/brood-box/STATE', { Time: '2026-11-29T04:30:04', UptimeSec: 600, Wifi: { RSSI: 70, Signal: -60 } }),
        message('tele/orchard-plug/STATE', { Time: '2026-11-29T04:30:04', UptimeSec: 600, Wifi: { RSSI: 70, Signal: -61 } }),
        message('tele/brood-box/LWT', 'Online', true),
      ],
      'tele/#',
    )
    const lines = linesOf(draft.text)
    expect(lines).to.include('- "tele/{device}/SENSOR"')
    expect(lines).to.include('- { path: "$.Time", format: iso8601, zone: Etc/GMT-1 }')
    expect(lines).to.include('when: [{ text: "{part}", matches: "DS18B20-*" }]')
    expect(lines).to.include('channel: "{part}"')
    expect(lines).to.include('temperature: { path: "@.Temperature", unit: { path: "$.TempUnit", map: { "F": "[degF]" } } }')
    expect(lines).to.include('map: { "Online": ready, "Offline": lost }')
    expect(draft.text).to.match(/^# {3}\$\.BME280\.DewPoint: number 40$/m)
    expect(samples).to.equal(5)
    expect(rejections).to.deep.equal([])
  })

  it('has lists of samples, devices behind a gateway, and channels for a second one of a quantity', () => {
    const gateway = lesson([
      message('tb/gw-1/v1/gateway/telemetry', {
        'Silo A': [{ ts: 1795923004000, values: { temperature: 12.5 } }],
        'Silo B': [{ ts: 1795923004000, values: { temperature: 14.1 } }],
      }),
    ])
    expect(linesOf(gateway.draft.text)).to.include('- each: "$.{part}[*]"')
    expect(linesOf(gateway.draft.text)).to.include('device: { text: "{part}", replace: { " ": "_" } }')
    expect(gateway.samples).to.equal(2)
    const twice = lesson([message('greenhouse/g1', { temp_inside: 20.5, temp_outside: 4.5, hum: 60 })])
    expect(linesOf(twice.draft.text).filter((line) => line.includes('channel'))).to.have.length(1)
    expect([twice.samples, twice.rejections]).to.deep.equal([2, []])
    const list = lesson([
      message('hives/h1', {
        id: 'x',
        sensors: [
          { name: 'brood', temperature: 34.2 },
          { name: 'lid', temperature: 21.5 },
        ],
      }),
    ])
    expect(list.samples).to.be.greaterThan(0)
  })

  it('has pairs of a name and a value', () => {
    const { draft, samples, rejections } = lesson([
      message('plant/m1', [
        { name: 'Temperature', value: 21.5, unit: '°C' },
        { name: 'Pressure', value: 4.2, unit: 'bar' },
        { name: 'Running', value: true },
      ]),
    ])
    const lines = linesOf(draft.text)
    expect(lines).to.include('name: "@.name"')
    expect(lines).to.include('pressure: { named: "Pressure", unit: { path: "@.unit", map: { "bar": "bar" } } }')
    expect(draft.text).to.match(/# {3}Running: true or false/)
    expect([samples, rejections]).to.deep.equal([1, []])
  })

  it('tells a device from what is measured if one level of the topic has both', () => {
    const { draft, samples } = lesson([
      message('homeassistant/sensor/hive_scale_weight/state', '41.27'),
      message('homeassistant/sensor/hive_scale_temperature/state', 'unavailable'),
      message('homeassistant/sensor/cellar_temperature/state', '11.5'),
    ])
    expect(linesOf(draft.text)).to.include('device: { text: "{metric}", remove_suffix: ["_temperature", "_weight"] }')
    expect(linesOf(draft.text)).to.include('- "homeassistant/sensor/{metric}/state"')
    expect(samples).to.equal(2)
  })

  it('translates the messages that it was learned from, of every firmware that there are examples of', () => {
    const folder = `${projectRoot}schemas/dialects/examples`
    const examples = readdirSync(folder)
      .filter((file) => file.endsWith('.json'))
      .map((file) => parseExample(readFileSync(`${folder}/${file}`, 'utf8'), file))
    for (const [name, each] of groupBy(examples, ({ dialect }) => dialect)) {
      const { draft, samples, rejections } = lesson(each.map((example) => example.message))
      expect(rejections, `${name}\n${draft.text}`).to.deep.equal([])
      expect(samples, `${name}\n${draft.text}`).to.be.greaterThan(0)
    }
  })

  it('takes bounded time for thousands of names: it took a minute', () => {
    const names = Array.from({ length: 5_000 }, (_, index) => message(`sensors/room${index % 50}/temp_${index}`, '21.5'))
    const { draft, samples } = lesson(names)
    expect(draft.text).to.match(/4800 names more, of 5000/)
    expect(draft.text.length).to.be.lessThan(100_000)
    expect(samples).to.equal(200)
  }).timeout(15_000)

  it('says why there is none', () => {
    const why = (...messages: readonly RawMessage[]): string => {
      try {
        lesson(messages, 'a/#')
      } catch (cause) {
        expect(cause).to.be.instanceOf(NoDraftError)
        return (cause as Error).message
      }
      throw new Error('there was one')
    }
    expect(why()).to.equal('heard no message on a/#: is the filter right, and may this user read it?')
    expect(why(message('a/b', ''))).to.equal('heard 1 messages on a/#, all of them empty')
    expect(why(message('a/b', 'on'))).to.match(/none with a value that could be telemetry: a\/b/)
    expect(why(message('a/b', { frobs: 3 }))).to.match(/no value whose name says what it is: \$\.frobs: number 3/)
  })

  it('is a dialect, and takes the messages that it is of, whatever they are', () => {
    const name = fc.oneof(
      fc.constantFrom(
        'temperature',
        'temp',
        'Temperatur',
        'humidity',
        'ts',
        'time',
        '__proto__',
        '{x}',
        "it's",
        'a.b',
        'a b',
        '*',
        '$',
        '',
        'TempUnit',
        'value',
        'name',
      ),
      fc.string({ unit: 'grapheme', maxLength: 8 }),
      fc.string({ unit: 'binary', maxLength: 4 }),
    )
    const leaf = fc.oneof(
      fc.double({ min: -50, max: 100, noNaN: true }),
      fc.integer(),
      fc.constantFrom(null, true, 'nan', '21.5', 'F', '2026-11-29T03:30:04Z'),
      fc.string({ unit: 'binary', maxLength: 8 }),
    )
    const tree = fc.letrec((tie) => ({
      node: fc.oneof(
        { depthSize: 'small' },
        leaf,
        fc.array(tie('node'), { maxLength: 3 }),
        fc.dictionary(name, tie('node'), { maxKeys: 5 }),
      ),
    })).node
    const level = fc.oneof(
      fc.constantFrom('tele', 'SENSOR', 'temperature', 'hive_1', '0', '', '{', 'a b', 'ü'),
      fc.string({ unit: 'grapheme', maxLength: 5 }).map((text) => text.replace(/[/+#\0]/g, '')),
    )
    const topic = fc
      .array(level, { minLength: 1, maxLength: 4 })
      .map((levels) => levels.join('/'))
      .filter((text) => text !== '')
    const payload = fc.oneof(
      tree.map((each) => Buffer.from(JSON.stringify(each))),
      fc.double({ min: -10, max: 100, noNaN: true }).map((each) => Buffer.from(String(each))),
      fc.uint8Array({ maxLength: 30 }).map((bytes) => Buffer.from(bytes)),
    )
    fc.assert(
      fc.property(
        fc.array(fc.tuple(topic, payload, fc.boolean()), { minLength: 1, maxLength: 6 }),
        fc.constantFrom('#', 'tele/#', '+/+'),
        (given, filter) => {
          try {
            lesson(
              given.map(([to, bytes, retained]) => message(to, bytes, retained)),
              filter,
            )
          } catch (cause) {
            if (!(cause instanceof NoDraftError)) throw cause
          }
        },
      ),
      { numRuns: 1_000 },
    )
  }).timeout(60_000)
})

describe('what is kept of what is heard', () => {
  it('is bounded, and the rest is counted', () => {
    const observations = new Observations({ perTopic: 2, topics: 3, bytes: 1_000, payloadBytes: 100 })
    for (let index = 0; index < 50; index++) observations.add(message(`t/${index % 5}`, String(index)))
    observations.add(message('t/0', 'x'.repeat(101)))
    observations.add(message('t/0', ''))
    const { messages, heard, left, empty } = observations.observed()
    expect(messages.map(({ payload }) => payload.toString())).to.deep.equal([
      '0',
      '5',
      '40',
      '45',
      '1',
      '6',
      '41',
      '46',
      '2',
      '7',
      '42',
      '47',
    ])
    expect([heard, left, empty]).to.deep.equal([52, 21, 1])
  })

  it('does not pass its bytes, whatever comes', () => {
    fc.assert(
      fc.property(fc.array(fc.tuple(fc.nat(5), fc.nat(40)), { maxLength: 200 }), (sizes) => {
        const observations = new Observations({ perTopic: 2, topics: 4, bytes: 200, payloadBytes: 30 })
        for (const [topic, size] of sizes) observations.add(message(`t/${topic}`, 'x'.repeat(size)))
        const { messages } = observations.observed()
        expect(messages.reduce((sum, each) => sum + each.payload.length + 2 * each.topic.length, 0)).to.be.at.most(200)
      }),
    )
  })
})
