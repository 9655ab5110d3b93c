import { readFileSync } from 'node:fs'
import avro from 'avsc'
import { expect } from 'chai'
import { projectRoot, readSchema } from '../../schemas/files.ts'
import { millrace, type RunningService, startService, until } from '../pipeline/service.ts'
import { closing } from './closing.ts'
import { type Message, messagesOf, provision, sendMessages } from './messages.ts'
import { type Outcomes, openOutcomes, type Reading } from './outcomes.ts'

const rawType = avro.Type.forSchema(readSchema('raw').json as avro.Schema)
const run = `t28-${Date.now().toString(36)}`
const BEGUN_MICROS = (Date.now() - 60_000) * 1000
const MICROS_PER_DAY = 86_400_000_000

/** Messages of a case, from devices of this run's own. */
function caseMessages(name: string): readonly Message[] {
  const lines = readFileSync(`${projectRoot}test/adversary/cases/${name}.ndjson`, 'utf8')
  return messagesOf(lines.replaceAll('"devices/', `"devices/${run}-`))
}

const micros = (text: string): number => Date.parse(`${text.slice(0, 23)}Z`) * 1000 + Number(text.slice(23) || 0)

/**
 * What must come of a line: a row of this time (`now`: estimated) and value, or a dead letter of
 * this processor and reason.
 */
type Expected = readonly [row: string | 'now', value: number] | readonly [deadLetter: string]

const badTime: Expected = ['translate bad-time']
const badValue: Expected = ['translate bad-value']
const badPayload: Expected = ['translate bad-payload']
const repeatedName: Expected = ['translate repeated-name']

/**
 * The digits of a time in quotation marks are that time. The row of the third message is there
 * already, with another value: the store counts it.
 */
const conflict: Expected = ['store conflict']

/** Of devices dev-j and dev-k, line by line. */
const times: readonly Expected[] = [
  ['2026-11-29T03:40:00.000000', 1],
  ['2026-11-29T03:40:00.500000', 2],
  ['2026-11-29T03:40:00.123000', 3],
  ['2026-11-29T03:40:00.123900', 4],
  badTime,
  badTime,
  conflict,
  ['2026-11-29T03:10:00.000000', 8],
  ['2026-11-29T03:11:00.000000', 9],
  ['2026-11-29T03:12:00.000000', 10],
  ['2026-11-29T03:13:00.000000', 11],
  ['2026-11-29T03:14:00.000000', 12],
  badTime,
  // The leap second is the next one; ten years later it is too old for anything.
  BEGUN_MICROS - micros('2017-01-01T00:00:00.000000') < 3_652 * MICROS_PER_DAY
    ? ['2017-01-01T00:00:00.000000', 14]
    : ['translate time-out-of-range'],
  badTime,
  ['now', 16],
  ['2026-11-29T03:16:00.123456', 17],
  ['2026-11-29T00:00:00.000000', 18],
  badTime,
  badTime,
  badTime,
]
const numbers: readonly Expected[] = [
  ['2026-11-29T03:40:00.000000', 0],
  badValue,
  ['translate out-of-range'],
  badPayload,
  badValue,
  ['2026-11-29T03:40:05.000000', 5e-324],
  ['2026-11-29T03:40:06.000000', Number('21.123456789012345678')],
  badValue,
  badPayload,
  badValue,
  badPayload,
  badPayload,
  repeatedName,
  repeatedName,
]

describe('times and numbers of JSON, in every form that a device may think of', () => {
  const { use } = closing()
  let outcomes: Outcomes
  let bridge: RunningService
  let store: RunningService

  const device = (name: string): string => `${run}-${name}`
  const settled = async (name: string, rows: number, deadLetters: number): Promise<readonly Reading[]> => {
    const done = async (): Promise<boolean> =>
      (await outcomes.rows(device(name))) >= rows && (await outcomes.reasons(device(name))).length >= deadLetters
    await until(`${name} has ${rows} rows and ${deadLetters} dead letters`, done)
    return outcomes.readings(device(name))
  }

  before(async () => {
    await provision(...['dev-a', 'dev-j', 'dev-k', 'dev-y'].map(device))
    outcomes = await use(openOutcomes())
    bridge = await use(startService('bridge'))
    await use(startService('run', 'translate'))
    store = await use(startService('store'))
  })

  it('make a row at the right time, to the microsecond, or a dead letter; nothing vanishes', async () => {
    const messages = caseMessages('05-timestamps-and-numbers')
    expect(messages).to.have.length(times.length + numbers.length)
    await sendMessages(messages)
    for (const [name, expected] of [
      ['dev-j', times],
      ['dev-k', numbers],
    ] as const) {
      const rows = expected.filter((each) => each.length === 2)
      const deadLetters = expected.filter((each) => each.length === 1 && each !== conflict)
      const readings = await settled(name, rows.length, deadLetters.length)
      const found = readings.map(({ tsMicros, estimated, values }) => ({ at: estimated ? 'now' : tsMicros, value: values.temperature }))
      const wanted = rows.map(([at, value]) => ({ at: at === 'now' ? at : micros(at), value }))
      expect(found, name).to.have.deep.members(wanted)
      for (const { tsMicros, estimated } of readings) if (estimated) expect(tsMicros).to.be.greaterThan(BEGUN_MICROS)
      expect(await outcomes.reasons(device(name)), name).to.deep.equal(deadLetters.map(([reason]) => reason).sort())
    }
    await until('the conflict is counted', async () => (await store.metric('millrace_store_conflicts_total')) === 1)
    const own = messages.filter(({ topic }) => topic.includes('dev-j'))
    const bytes = (await outcomes.deadLetters(device('dev-j')))
      .filter(({ reason }) => reason === 'bad-time')
      .map(({ value }) => (rawType.fromBuffer(value?.subarray(5) ?? Buffer.alloc(0)) as { readonly payload: Buffer }).payload.toString())
    expect(bytes).to.have.members(own.filter((_, index) => times[index] === badTime).map(({ payload }) => payload))
  })

  it('are two rows if they are less than a millisecond apart', async () => {
    await sendMessages(caseMessages('14-two-samples-in-one-millisecond'))
    const found = (await settled('dev-y', 3, 0)).map(({ tsMicros, values }) => [tsMicros, values.vibration])
    expect(found).to.deep.equal([
      [micros('2026-11-29T04:03:00.000100'), 1],
      [micros('2026-11-29T04:03:00.000600'), 2],
      [micros('2026-11-29T04:03:00.001100'), 3],
    ])
  })

  it('are in an array of which a sample has an early time, or none but its time: the others are rows', async () => {
    const payload = `[{"ts":0,"humidity":1},{"ts":"0001-01-01T00:00:00Z","humidity":2},{"ts":"1999-01-01T00:00:00Z","humidity":3},
      {"ts":"2026-11-29T05:00:00Z","humidity":4},{"ts":"2026-11-29T05:00:01Z"},{"ts":"2026-11-29T05:00:02Z","humidity":5}]`
    await sendMessages([{ topic: `devices/${device('dev-y')}/telemetry`, payload }])
    const rows = (await settled('dev-y', 5, 3)).filter(({ values }) => values.humidity !== undefined)
    expect(rows.map(({ values }) => values)).to.deep.equal([{ humidity: 4 }, { humidity: 5 }])
    const deadLetters = await outcomes.deadLetters(device('dev-y'))
    expect(deadLetters.map(({ processor, reason, samples }) => ({ processor, reason, samples }))).to.deep.equal([
      { processor: 'translate', reason: 'bad-time', samples: [0, 1] },
      { processor: 'translate', reason: 'nothing-found', samples: [4] },
      { processor: 'translate', reason: 'time-out-of-range', samples: [2] },
    ])
  })

  it('are not looked for in bytes of another encoding: a dead letter names the byte, and a byte order mark is skipped', async () => {
    const before = await outcomes.rows(device('dev-a'))
    await sendMessages(caseMessages('04-trailing-nul-bom'))
    await settled('dev-a', before + 1, 2)
    const details = (await outcomes.deadLetters(device('dev-a'), device('dev-b')))
      .map(({ reason, detail }) => `${reason}: ${detail}`)
      .sort()
    expect(details).to.deep.equal([
      'bad-payload: expected JSON: the end at position 18 of 19, got byte 00',
      'bad-payload: expected UTF-8, got UTF-16: its byte order mark is fffe',
      'bad-status: expected UTF-8, got byte ff at position 32 of 35',
    ])
  })

  it('do not fail the bridge, however deep they are nested', async () => {
    const deep = `${'['.repeat(30_000)}${']'.repeat(30_000)}`
    const name = device('deep')
    await sendMessages([
      { topic: `devices/${name}/telemetry`, payload: deep },
      { topic: `devices/${name}/telemetry`, payload: `{"ts":1795923600,"power":${deep}}` },
      { topic: `devices/${name}/status`, payload: `{"state":"ready","x":${deep}}` },
    ])
    await until('three dead letters', async () => (await outcomes.reasons(name)).length === 3)
    expect(await outcomes.reasons(name)).to.deep.equal(['bridge bad-status', 'translate bad-payload', 'translate bad-payload'])
    expect(await bridge.health()).to.deep.equal({})
    const exported = await Promise.all(['bridge', 'translate'].map((processor) => millrace('dead', 'export', processor, '--device', name)))
    const lines = exported
      .join('\n')
      .split('\n')
      .filter((each) => each.startsWith('{'))
    expect(lines).to.have.length(3)
    for (const line of lines) {
      const { topic, partition, offset } = JSON.parse(line) as { topic: string; partition: number; offset: number }
      expect(await millrace('dead', 'show', `${topic}/${partition}/${offset}`)).to.match(/original: \d+ bytes/)
    }
  })
})
