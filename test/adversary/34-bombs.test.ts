import { expect } from 'chai'
import type { DeadLetter } from '../../processors/dead-letter.ts'
import { firmwareSubject } from '../../processors/topics.ts'
import { hiveFrame } from '../pipeline/hive-frames.ts'
import { type RunningService, startService, until } from '../pipeline/service.ts'
import { closing } from './closing.ts'
import { type HostileClient, openHostileClient } from './hostile-client.ts'
import { provision } from './messages.ts'
import { type Outcomes, openOutcomes } from './outcomes.ts'
import { sharedRegistry } from './schema-registry.ts'

const run = `bomb${Date.now().toString(36)}`
const good = `${run}-good`
const NAMES = 2_000
const STATUSES = 1_500
const LIMIT_MS = 60_000

const telemetry = (device: string): string => `devices/${device}/telemetry`

/** Something of Avro inside itself, so deep. */
const deep = (levels: number): string => `${'{"type":"array","items":'.repeat(levels)}"int"${'}'.repeat(levels)}`
const record = (fields: readonly object[], more: object = {}): string =>
  JSON.stringify({ type: 'record', name: 'V1', namespace: `millrace.firmware.${run}`, fields, ...more })
const field = (name: string, type: unknown = { type: 'array', items: 'int' }, more: object = {}): object => ({ name, type, ...more })
const HEAD = [field('boot', 'int'), field('seq', 'int'), field('base', 'long'), field('dropped', 'int'), field('dt')]

/** Schemas under a firmware's subject that a decoder could choke on. */
const SCHEMAS: Readonly<Record<string, string>> = {
  'twenty thousand fields': record([...HEAD, ...Array.from({ length: 20_000 }, (_, index) => field(`f${index}`))]),
  'itself in itself': record([...HEAD, field('next', ['null', `millrace.firmware.${run}.V1`])]),
  'a thousand levels': deep(1_000),
  'an enumeration of fifty thousand': JSON.stringify({
    type: 'enum',
    name: 'Huge',
    symbols: Array.from({ length: 50_000 }, (_, index) => `S${index}`),
  }),
  'values that take no bytes': record([...HEAD, field('nothing', { type: 'array', items: 'null' }, { standard: 'temperature' })]),
  'names of every object': record([...HEAD, field('constructor'), field('__proto__'), field('hasOwnProperty')]),
  'a fixed of two gigabytes': JSON.stringify({ type: 'fixed', name: 'Room', size: 2_000_000_000 }),
  'a conversion that is none': record([...HEAD, field('t', { type: 'array', items: 'int' }, { standard: 'temperature', scale: '1e400' })]),
}

describe('what is made to grow', function () {
  this.timeout(120_000)
  const { use, atEnd } = closing()
  const registry = sharedRegistry()
  let outcomes: Outcomes
  let client: HostileClient
  let services: readonly RunningService[]
  let seq = 0

  const goesOn = async (): Promise<void> => {
    const before = await outcomes.rows(good)
    await client.publish(
      `devices/${good}/telemetry`,
      hiveFrame({ boot: 1, seq, base: Date.now() - 60_000 + seq++ * 10, temperature: [2_000] }),
    )
    await until('the good device is stored', async () => (await outcomes.rows(good)) === before + 1, LIMIT_MS)
  }
  const seriesOf = async ({ port }: RunningService): Promise<number> =>
    (await (await fetch(`http://127.0.0.1:${port}/metrics`)).text()).split('\n').filter((line) => line !== '' && !line.startsWith('#'))
      .length

  before(async () => {
    await provision(good)
    outcomes = await use(openOutcomes(['bridge', 'translate', 'standardise']))
    client = await use(openHostileClient({ clientId: run }))
    services = [
      await use(startService('bridge')),
      await use(startService('run', 'translate')),
      await use(startService('run', 'standardise')),
      await use(startService('store')),
    ]
    await until('the bridge has subscribed', async () => (await services[0]?.metric('millrace_broker_connected')) === 1, LIMIT_MS)
    await goesOn()
  })

  it('labels do not: 2,000 names of devices, quantities and reasons add no series to any metric', async () => {
    const before = await Promise.all(services.map(seriesOf))
    await client.flood(
      (function* messages(): Generator<readonly [string, string]> {
        for (let index = 0; index < NAMES; index++) {
          yield [`devices/${run}-${index}/telemetry`, `{"quantity_${index}":${index}}`]
          yield [`devices/${run}-${index}/status`, `{"state":"state-${index}"}`]
        }
      })(),
    )
    const named = ({ key, source_topic }: DeadLetter): boolean => `${key} ${source_topic}`.includes(`${run}-`)
    await until('all are dead letters', async () => (await outcomes.deadLetters()).filter(named).length >= 2 * NAMES, LIMIT_MS)
    await goesOn()
    const after = await Promise.all(services.map(seriesOf))
    // The first of a reason, and what the runtime itself has by type.
    for (const [index, count] of after.entries()) expect(count - (before[index] ?? 0), services[index]?.log().slice(0, 200)).to.be.below(20)
  })

  it('1,500 statuses with a NUL are their device’s dead letters, and nobody waits for them', async () => {
    const device = `${run}-nul`
    await client.flood(
      Array.from({ length: STATUSES }, () => [`devices/${device}/status`, '{"state":"ready","firmware":"1.0\\u0000"}'] as const),
    )
    await goesOn()
    await until(
      'each is accounted for',
      async () => (await outcomes.deadLetters(device)).reduce((sum, { records }) => sum + Math.max(1, records.length), 0) === STATUSES,
      LIMIT_MS,
    )
    expect(new Set((await outcomes.deadLetters(device)).map(({ reason }) => reason))).to.deep.equal(new Set(['bad-status']))
  })

  it('names that every object has are names: of devices, of quantities, of states', async () => {
    const names = ['constructor', 'toString', 'hasOwnProperty']
    await provision(...names)
    const rows = new Map<string, number>()
    for (const name of names) {
      rows.set(name, await outcomes.rows(name))
      await client.publish(telemetry(name), `{"temperature":20,"ts":${Date.now()}}`)
      await client.publish(telemetry(good), `{"temperature":20,"${name}":3}`)
      await client.publish(`devices/${good}/status`, `{"state":"${name}"}`)
    }
    await client.publish(telemetry(good), '{"__proto__":{"temperature":30}}')
    await client.publish(telemetry('__proto__'), '{"temperature":20}')
    for (const [name, before] of rows) await until(`a row of ${name}`, async () => (await outcomes.rows(name)) === before + 1, LIMIT_MS)
    const count = async (reason: string): Promise<number> => (await outcomes.reasons(good)).filter((each) => each === reason).length
    await until('a dead letter of each strange quantity', async () => (await count('translate unknown-quantity')) === 4, LIMIT_MS)
    await until('a dead letter of each strange state', async () => (await count('bridge bad-status')) === 3, LIMIT_MS)
    await goesOn()
  })

  it('schemas do not stop the line: each is refused by the registry, or ignored and said, and a new service starts among them', async () => {
    for (const [what, schema] of Object.entries(SCHEMAS)) {
      const subject = firmwareSubject(`${run}.${what.replaceAll(' ', '-')}`)
      const refusal = await registry.register(subject, schema).then(
        () => undefined,
        (cause: Error) => cause.message,
      )
      // Else every service that is started after this file would read them.
      if (refusal === undefined) atEnd(() => registry.delete(subject))
      else expect(refusal, what).to.match(/\b4\d\d\b/)
    }
    const late = await use(startService('run', 'standardise'))
    // An unknown fingerprint makes the bridge read the registry again.
    await client.publish(
      `devices/${run}-unknown/telemetry`,
      Buffer.concat([Buffer.from([0xc3, 1]), Buffer.alloc(8, 0xee), Buffer.from([2, 0])]),
    )
    await goesOn()
    for (const service of [...services, late]) {
      expect(await service.health()).to.deep.equal({})
      expect(service.memoryBytes()).to.be.below(400e6)
    }
    expect(late.log()).to.include(`${run}.values-that-take-no-bytes`)
  })
})
