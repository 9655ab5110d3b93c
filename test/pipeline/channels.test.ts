import { readFileSync } from 'node:fs'
import avro from 'avsc'
import { expect } from 'chai'
import { createRegistry } from '../../connectors/registry/registry.ts'
import type { ContinuityReport } from '../../ops/continuity/report.ts'
import { firmwareSubject } from '../../processors/topics.ts'
import { projectRoot } from '../../schemas/files.ts'
import { schemaFingerprint } from '../../schemas/fingerprint.ts'
import { closing } from '../adversary/closing.ts'
import { provision, sendMessages } from '../adversary/messages.ts'
import { type Outcomes, openOutcomes } from '../adversary/outcomes.ts'
import { millrace, startService, until } from './service.ts'
import { address } from './stack-clients.ts'

const run = `ch${Date.now().toString(36)}`
const hive = `${run}-hive`
/** Whose rows are none of the hive's, though their IDs begin alike. */
const neighbour = `${run}-hive0`
const MISSING = -32_768

interface Fields {
  namespace: string
  fields: { name: string; scale?: string }[]
}

/** The example of the documentation, under a name of this run. */
function schemaWith(broodScale: string): Fields {
  const schema = JSON.parse(readFileSync(`${projectRoot}docs/examples/hive-3.avsc`, 'utf8')) as Fields
  schema.namespace = `millrace.firmware.${run}`
  for (const field of schema.fields) if (field.name === 'brood') field.scale = broodScale
  return schema
}

interface Frame {
  readonly boot?: number
  readonly seq: number
  readonly base: number
  readonly brood: readonly number[]
  readonly outside: readonly number[]
}

describe('a hive with three probes of temperature', function () {
  this.timeout(120_000)
  const { use } = closing()
  const type = avro.Type.forSchema(schemaWith('0.01') as unknown as avro.Schema)
  const subject = firmwareSubject(`millrace.firmware.${run}.V3`)
  const start = Date.now() - 60_000
  let outcomes: Outcomes

  before(async () => {
    await provision(hive, neighbour)
    outcomes = await use(openOutcomes())
    await createRegistry(address('REGISTRY_URL')).register(subject, JSON.stringify(schemaWith('0.1')))
    for (const service of [['bridge'], ['run', 'standardise'], ['store'], ['run', 'continuity']]) await use(startService(...service))
  })

  const differences = (values: readonly number[]): readonly number[] => values.map((value, index) => value - (values[index - 1] ?? 0))
  const publish = (device: string, { boot = 1, seq, base, brood, outside }: Frame): Promise<void> => {
    const none = brood.map(() => MISSING)
    const datum = type.toBuffer({
      boot,
      seq,
      clock: 'SYNCED',
      base,
      dropped: 0,
      dt: brood.map((_, index) => (index === 0 ? 0 : 1000)),
      brood: differences(brood),
      super: differences(none),
      outside: differences(outside),
      weight: [],
    })
    const payload = Buffer.concat([Buffer.from([0xc3, 1]), schemaFingerprint(schemaWith('0.01')), datum])
    return sendMessages([{ topic: `devices/${device}/telemetry`, payload }])
  }
  const rows = async (device: string): Promise<readonly string[]> =>
    (
      await outcomes.query(
        `SELECT device_id, (extract(epoch FROM ts) * 1000)::bigint AS ms, temperature, account_id IS NOT NULL AS owned FROM readings
         WHERE device_id = $1 OR device_id LIKE $1 || '/%' ORDER BY device_id, ts`,
        [device],
      )
    ).map(
      ({ device_id, ms, temperature, owned }) => `${String(device_id).slice(run.length + 1)} ${Number(ms) - start} ${temperature} ${owned}`,
    )
  const report = async (device: string): Promise<ContinuityReport> =>
    JSON.parse(await millrace('continuity', '--json', '--device', device)) as ContinuityReport

  it('has rows of each, and a value that is wrong is one channel’s', async () => {
    await publish(hive, { seq: 0, base: start, brood: [345, 3450], outside: [1200, 1190] })
    await publish(neighbour, { seq: 0, base: start, brood: [200], outside: [700] })
    await until('the neighbour has its rows', async () => (await rows(neighbour)).length === 2)
    expect(await rows(hive)).to.deep.equal(['hive 0 12 true', 'hive 1000 11.9 true', 'hive/brood 0 34.5 true'])
    await until('the dead letter is there', async () => (await outcomes.deadLetters(hive)).length === 1)
    const [deadLetter] = await outcomes.deadLetters(hive)
    expect(deadLetter).to.deep.include({ reason: 'out-of-range', samples: [1], quantities: ['brood/temperature'] })
  })

  it('gets the value by a redrive once the conversion of the channel is right, and nothing else anew', async () => {
    await createRegistry(address('REGISTRY_URL')).register(subject, JSON.stringify(schemaWith('0.01')))
    await until('the conversion is known', async () =>
      (await millrace('redrive', 'standardise', '--dry-run', '--device', hive)).includes('1 dead letters would be redriven: 1 succeeded'),
    )
    await millrace('redrive', 'standardise', '--device', hive)
    await until('the value is a row', async () => (await rows(hive)).length === 4)
    // What was stored with the wrong conversion is not recomputed.
    expect(await rows(hive)).to.deep.equal(['hive 0 12 true', 'hive 1000 11.9 true', 'hive/brood 0 34.5 true', 'hive/brood 1000 34.5 true'])
  })

  it('is one device in the continuity: a frame counts once, and a conflict names the channel', async () => {
    // In range by the conversion of before, too: standardise may not know of the other yet.
    await publish(hive, { seq: 1, base: start + 2000, brood: [300], outside: [1180] })
    await until('the second frame is stored', async () => (await rows(hive)).length === 6)
    // Another boot says something else of a moment that is stored.
    await publish(hive, { boot: 2, seq: 0, base: start + 2000, brood: [310], outside: [1180] })
    await until('three frames are counted', async () => (await report(hive)).devices[0]?.frames.stored === 3)
    const { devices } = await report(hive)
    expect(devices).to.have.length(1)
    expect(devices[0]).to.deep.include({ device: hive })
    expect(devices[0]?.frames).to.include({ numbered: 3, stored: 3, deadLettered: 0, missing: 0 })
    expect(JSON.stringify(devices[0])).to.include('"brood/temperature"')
  })

  it('is found with all its channels by the primary key', async () => {
    await outcomes.query('BEGIN')
    try {
      await outcomes.query('SET LOCAL enable_seqscan = off')
      const plan = await outcomes.query(`EXPLAIN SELECT * FROM readings WHERE device_id = 'x' OR device_id LIKE 'x/%'`)
      const text = plan.map((line) => String(line['QUERY PLAN'])).join('\n')
      expect(text).to.match(/device_id >= 'x\/'::text\) AND \(device_id < 'x0'::text/)
      expect(text).to.not.include('Seq Scan on readings')
    } finally {
      await outcomes.query('ROLLBACK')
    }
  })
})
