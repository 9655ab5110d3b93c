import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { expect } from 'chai'
import type { DeadLetter } from '../../processors/dead-letter.ts'
import { compileDialect } from '../../processors/translate/dialect.ts'
import { type Example, parseExample } from '../../processors/translate/example.ts'
import type { CompiledDialect } from '../../processors/translate/translation.ts'
import { projectRoot } from '../../schemas/files.ts'
import { parseDialect } from '../../schemas/parse-dialect.ts'
import type { MetricName } from '../../services/metrics.ts'
import { provision, sendMessages } from '../adversary/messages.ts'
import { type Outcomes, openOutcomes, type Reading } from '../adversary/outcomes.ts'
import { mutants } from './mutants.ts'
import { launchConfigured, millrace, type RunningService, until } from './service.ts'

const SHIPPED = join(projectRoot, 'schemas', 'dialects')
/** Dialects of a deployment's own, beside the project. */
const SHARED = join(projectRoot, '..', 'shared', 'dialects')
/** Times of receipt are cut off to a second or more. */
const FLOOR_MICROS = 1_000_000
/** Services that have read nothing for so long have read what there was. */
const QUIET_MS = 1_000
const MUTANTS = 400
const SEED = 20261129
/** Services that each step of the line goes through. */
const LINE = { bridge: ['bridge'], translate: ['run', 'translate'], devices: ['run', 'devices'], store: ['store'] } as const

interface NamedExample extends Example {
  readonly file: string
}

function dialectsOf(folder: string): ReadonlyMap<string, CompiledDialect> {
  const files = readdirSync(folder).filter((file) => file.endsWith('.yaml'))
  const compiled = files.map((file) => compileDialect(parseDialect(readFileSync(join(folder, file), 'utf8'), file)))
  return new Map(compiled.map((dialect) => [dialect.name, dialect]))
}

function examplesOf(folder: string): readonly NamedExample[] {
  const files = readdirSync(join(folder, 'examples')).sort()
  return files.map((file) => ({ file, ...parseExample(readFileSync(join(folder, 'examples', file), 'utf8')) }))
}

/** A line of its own services, and what they count. */
interface Line extends AsyncDisposable {
  /** How much a counter has risen since `mark`. */
  risen(service: keyof typeof LINE, name: MetricName, labels?: Readonly<Record<string, string>>): Promise<number>
  /** Counts from now on. */
  mark(): Promise<void>
  /** Throws if a service ended or is not well. */
  isWell(): Promise<void>
}

const COUNTED: readonly (readonly [keyof typeof LINE, MetricName, Readonly<Record<string, string>>?])[] = [
  ['bridge', 'millrace_forwarded_messages_total'],
  ['bridge', 'millrace_forwarded_messages_total', { kind: 'raw' }],
  ['bridge', 'millrace_rejected_total'],
  ['bridge', 'millrace_rejected_total', { reason: 'defect' }],
  ['bridge', 'millrace_dropped_total'],
  ['bridge', 'millrace_dropped_total', { reason: 'copy' }],
  ['translate', 'millrace_records_total'],
  ['translate', 'millrace_rejected_total'],
  ['translate', 'millrace_rejected_total', { reason: 'defect' }],
  ['translate', 'millrace_dropped_total'],
  ['translate', 'millrace_emitted_records_total'],
  ['store', 'millrace_records_total'],
  ['store', 'millrace_rejected_total'],
]

async function openLine(dialects: string): Promise<Line> {
  // A session of its own: that of earlier bridges may have messages.
  const settings = `bridge: { client_id: examples-${Date.now().toString(36)}, session_expiry_seconds: 60 }\n${dialects}`
  const services = new Map<string, RunningService>()
  const marks = new Map<string, number>()
  for (const [name, args] of Object.entries(LINE)) services.set(name, await launchConfigured(settings, ...args))
  const stop = async (): Promise<void> => {
    await Promise.all([...services.values()].map((service) => service[Symbol.asyncDispose]()))
  }
  const figure = (service: string, name: MetricName, labels?: Readonly<Record<string, string>>): Promise<number> =>
    (services.get(service) as RunningService).metric(name, labels)
  const keyOf = (...what: readonly unknown[]): string => JSON.stringify(what)
  try {
    for (const service of services.values()) await service.ready()
    await until('all are well', async () => {
      const healths = await Promise.all([...services.values()].map((service) => service.health()))
      return healths.every((health) => health !== undefined && Object.keys(health).length === 0)
    })
    for (const service of ['translate', 'store'])
      await until(`${service} has partitions`, async () => (await figure(service, 'millrace_rebalances_total')) > 0)
    // What earlier tests left on the topics must not count here.
    for (let before = -1, now = 0; now !== before; ) {
      before = now
      await delay(QUIET_MS)
      now = (await figure('translate', 'millrace_records_total')) + (await figure('store', 'millrace_records_total'))
    }
  } catch (cause) {
    await stop()
    throw cause
  }
  return {
    risen: async (service, name, labels) => (await figure(service, name, labels)) - (marks.get(keyOf(service, name, labels)) ?? Number.NaN),
    async mark() {
      for (const [service, name, labels] of COUNTED) marks.set(keyOf(service, name, labels), await figure(service, name, labels))
    },
    async isWell() {
      for (const [name, service] of services) {
        expect(await service.health(), name).to.deep.equal({})
        expect(service.log().split('"message":"running"').length - 1, `${name} has started`).to.equal(1)
      }
    },
    [Symbol.asyncDispose]: stop,
  }
}

/** A row as an example has it: of a time of receipt only when it was published is known. */
interface WantedRow {
  readonly device: string
  readonly micros: number | undefined
  readonly values: Readonly<Record<string, number>>
}

function wantedRows({ expected }: Example): readonly WantedRow[] {
  if (expected === 'no-topic') return []
  return expected.samples.map(({ device, micros, estimated, values }) => ({ device, micros: estimated ? undefined : micros, values }))
}

/**
 * Examples in rounds, so that no two of a round are about one device: rows of one time of receipt
 * would become one.
 */
function rounds(examples: readonly NamedExample[]): readonly (readonly NamedExample[])[] {
  const made: { devices: Set<string>; examples: NamedExample[] }[] = []
  for (const example of examples) {
    const devices = new Set([example.message.topic, ...wantedRows(example).map(({ device }) => device)])
    let round = made.find((one) => ![...devices].some((device) => one.devices.has(device)))
    if (round === undefined) {
      round = { devices: new Set(), examples: [] }
      made.push(round)
    }
    round.examples.push(example)
    for (const device of devices) round.devices.add(device)
  }
  return made.map((round) => round.examples)
}

/** Adds the devices of examples as their owner would: with the gateway that speaks for them. */
async function provisionAll(examples: readonly Example[], dialects: ReadonlyMap<string, CompiledDialect>): Promise<void> {
  const own = new Set<string>()
  const via = new Map<string, Set<string>>()
  for (const { dialect: name, message } of examples) {
    const dialect = dialects.get(name)
    const captures = dialect?.match(message.topic)
    if (dialect === undefined || captures === undefined) continue
    const gateway = dialect.key(message.topic, captures)
    for (const { device, fromTopic } of dialect.translate(message, captures).samples) {
      if (fromTopic || device === gateway) own.add(device)
      else via.set(gateway, (via.get(gateway) ?? new Set()).add(device))
    }
  }
  await millrace('devices', 'add', '--account', 'test', '--site', 'examples', ...own)
  for (const [gateway, devices] of via) await millrace('devices', 'add', '--account', 'test', '--via', gateway, ...devices)
}

describe('examples of dialects, on the line', function () {
  this.timeout(60_000)
  let outcomes: Outcomes

  before(async () => {
    await provision()
    outcomes = await openOutcomes()
  })

  after(async () => {
    await outcomes?.[Symbol.asyncDispose]()
  })

  const readingsOf = async (devices: Iterable<string>): Promise<ReadonlyMap<string, readonly Reading[]>> => {
    const found = new Map<string, readonly Reading[]>()
    for (const device of devices) found.set(device, await outcomes.readings(device))
    return found
  }

  async function clear(examples: readonly Example[]): Promise<void> {
    const devices = [...new Set(examples.flatMap(wantedRows).map(({ device }) => device))]
    await outcomes.query('DELETE FROM readings WHERE device_id = ANY($1)', [devices])
  }

  /** Publishes each, and compares the rows of all devices with what is expected. */
  async function expectRows(line: Line, examples: readonly NamedExample[]): Promise<void> {
    // Of its own: damaged messages have left dead letters that look alike.
    await using since = await openOutcomes()
    for (const round of rounds(examples)) {
      const wanted = round.flatMap(wantedRows)
      await clear(round)
      const before = await rowsOfAll()
      await line.mark()
      const from = Math.floor((Date.now() * 1000) / FLOOR_MICROS) * FLOOR_MICROS
      await sendMessages(round.map(({ message }) => message))
      const taken = round.filter(({ expected }) => expected !== 'no-topic').length
      await until(`${taken} messages are through translate`, async () => (await line.risen('translate', 'millrace_records_total')) >= taken)
      await until('all rows', async () => (await rowsOfAll()) - before >= wanted.length, 5_000).catch(() => undefined)
      const to = Date.now() * 1000
      const found = await readingsOf(new Set(wanted.map(({ device }) => device)))
      const text = (device: string, micros: number | undefined, values: object): string =>
        `${device} ${micros ?? 'received'} ${JSON.stringify(Object.entries(values).sort())}`
      const rows = [...found].flatMap(([device, readings]) =>
        readings.map(({ tsMicros, estimated, values }) => {
          if (estimated) expect(tsMicros, device).to.be.within(from, to)
          return text(device, estimated ? undefined : tsMicros, values)
        }),
      )
      expect(rows.sort()).to.deep.equal(wanted.map(({ device, micros, values }) => text(device, micros, values)).sort())
      expect((await rowsOfAll()) - before, 'rows of all devices').to.equal(wanted.length)
      await expectRest(line, round, await since.deadLetters())
    }
    await line.isWell()
  }

  /** What is no row is a dead letter or a counted ignore, as the examples have it. */
  async function expectRest(line: Line, round: readonly NamedExample[], letters: readonly DeadLetter[]): Promise<void> {
    for (const { file, message, expected } of round) {
      if (expected === 'no-topic') continue
      const own = letters.filter(({ value }) => value?.includes(message.topic) === true && value.includes(message.payload))
      expect(
        own.map(({ reason }) => reason),
        file,
      ).to.deep.equal(expected.rejections.map(({ reason }) => reason))
    }
    const nothing = round.filter(({ expected }) => expected !== 'no-topic' && expected.samples.length + expected.rejections.length === 0)
    expect(await line.risen('translate', 'millrace_dropped_total'), 'ignored').to.equal(nothing.length)
    expect(await line.risen('translate', 'millrace_records_total'), 'messages').to.equal(
      round.filter(({ expected }) => expected !== 'no-topic').length,
    )
  }

  async function rowsOfAll(): Promise<number> {
    return Number((await outcomes.query('SELECT count(*) FROM readings'))[0]?.count)
  }

  describe('with the dialects that Millrace comes with', () => {
    const dialects = dialectsOf(SHIPPED)
    const examples = examplesOf(SHIPPED)
    let line: Line

    before(async () => {
      await provisionAll(examples, dialects)
      // All devices send damaged messages at one time here, which would look like a common cause.
      line = await openLine(`dialects: [${SHIPPED}]\ndevices_turned_bad: { most_share: 1 }\n`)
    })

    after(async () => {
      await line?.[Symbol.asyncDispose]()
    })

    it('become the rows, dead letters and counted ignores that they expect, and nothing else', async () => {
      await expectRows(line, examples)
    })

    it('end as rows, dead letters or counted ignores, each one, if devices send them damaged', async () => {
      const found = mutants(examples, SEED, MUTANTS, (topic) =>
        [...dialects.values()].some((dialect) => dialect.match(topic) !== undefined),
      )
      await line.mark()
      await sendMessages(found)
      const risen = line.risen.bind(line)
      const received = async (): Promise<number> =>
        (await risen('bridge', 'millrace_forwarded_messages_total')) +
        (await risen('bridge', 'millrace_rejected_total')) +
        (await risen('bridge', 'millrace_dropped_total')) -
        (await risen('bridge', 'millrace_dropped_total', { reason: 'copy' }))
      await until('the bridge has counted each', async () => (await received()) >= found.length)
      const raw = await risen('bridge', 'millrace_forwarded_messages_total', { kind: 'raw' })
      await until('translate has read each', async () => (await risen('translate', 'millrace_records_total')) >= raw)
      const ended = async (): Promise<number> =>
        (await risen('translate', 'millrace_emitted_records_total')) +
        (await risen('translate', 'millrace_rejected_total')) +
        (await risen('translate', 'millrace_dropped_total'))
      await until('each has ended', async () => (await ended()) >= raw)
      expect(await received()).to.equal(found.length)
      expect(await risen('translate', 'millrace_records_total')).to.equal(raw)
      const emitted = await risen('translate', 'millrace_emitted_records_total')
      await until('the store has read each', async () => (await risen('store', 'millrace_records_total')) >= emitted)
      expect(await risen('store', 'millrace_rejected_total')).to.equal(0)
      for (const service of ['bridge', 'translate'] as const)
        expect(await risen(service, 'millrace_rejected_total', { reason: 'defect' }), service).to.equal(0)
      await line.isWell()
    })
  })

  describe('with the dialects of a folder of its own', () => {
    it('become the rows, dead letters and counted ignores that they expect, and nothing else', async function () {
      if (!existsSync(join(SHARED, 'examples'))) {
        console.log(`      skipped: there is no ${join(SHARED, 'examples')}`)
        return this.skip()
      }
      const examples = examplesOf(SHARED)
      await provisionAll(examples, dialectsOf(SHARED))
      await using line = await openLine(`dialects: [${SHARED}]\n`)
      await expectRows(line, examples)
    })
  })

  it('bring the rows of a good device within seconds, beside a gateway that hears 1,306 foreign tags', async () => {
    const run = `x${Date.now().toString(36)}`
    const folder = mkdtempSync(join(tmpdir(), 'millrace-foreign-'))
    const ruuvi = readFileSync(join(SHIPPED, 'ruuvi-gateway.yaml'), 'utf8')
    writeFileSync(
      join(folder, 'ruuvi.yaml'),
      ruuvi.replace('unknown_devices: ignore', 'unknown_devices: reject').replace('dialect: ruuvi-gateway', 'dialect: loud-gateway'),
    )
    const [heard] = examplesOf(SHIPPED).filter(({ file }) => file === 'ruuvi-gateway-tag.json')
    const own = `${run}00FF`
    const good = `${run}-good`
    await millrace('devices', 'add', '--account', 'test', '--via', run, own)
    await millrace('devices', 'add', '--account', 'test', good)
    await using line = await openLine(`dialects:\n  - { use: ${folder}/ruuvi.yaml, topics: ["${run}/{gateway}/{tag}"] }\n`)
    await line.mark()
    const at = (tag: string): { topic: string; payload: Buffer } => ({
      topic: `${run}/${run}/${tag}`,
      payload: heard?.message.payload ?? Buffer.alloc(0),
    })
    const foreign = Array.from({ length: 1306 }, (_, index) => at(`${run}:${index.toString(16).padStart(4, '0')}`)).filter(
      ({ topic }) => !topic.endsWith(':00ff'),
    )
    const turns = 4
    let slowestMs = 0
    for (let turn = 1; turn <= turns; turn++) {
      const loud = sendMessages(foreign)
      const began = Date.now()
      await sendMessages([
        { topic: `devices/${good}/telemetry`, payload: JSON.stringify({ ts: began - turn, temperature: turn }) },
        { ...at(`${run}:00:FF`), payload: Buffer.from(String(heard?.message.payload).replace('1795923004', String(1795923004 - turn))) },
      ])
      await until('rows of both', async () => (await outcomes.rows(good)) === turn && (await outcomes.rows(own)) === turn)
      slowestMs = Math.max(slowestMs, Date.now() - began)
      await loud
    }
    expect(slowestMs).to.be.below(5_000)
    const published = turns * (foreign.length + 2)
    await until('the bridge has counted each', async () => {
      const taken = await line.risen('bridge', 'millrace_forwarded_messages_total')
      return taken + (await line.risen('bridge', 'millrace_rejected_total')) >= published
    })
    const raw = await line.risen('bridge', 'millrace_forwarded_messages_total', { kind: 'raw' })
    await until('translate has read each', async () => (await line.risen('translate', 'millrace_records_total')) >= raw)
    const letters = (await outcomes.deadLetters(run)).filter(({ processor }) => processor === 'translate')
    expect(new Set(letters.map(({ reason }) => reason))).to.deep.equal(new Set(['not-via-this-gateway']))
    // The first 1,000 of an hour are kept with their bytes; of the rest a few say how many.
    expect(letters.length).to.be.within(1, 1_100)
    await line.isWell()
    rmSync(folder, { recursive: true })
  })
})
