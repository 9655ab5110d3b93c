import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import avro from 'avsc'
import { expect } from 'chai'
import { topics, valueSubject } from '../../processors/topics.ts'
import { projectRoot } from '../../schemas/files.ts'
import { schemaFingerprint } from '../../schemas/fingerprint.ts'
import { closing } from '../adversary/closing.ts'
import { sendMessages } from '../adversary/messages.ts'
import { type Outcomes, openOutcomes } from '../adversary/outcomes.ts'
import { launchConfigured, millrace, until } from './service.ts'
import { askRegistry } from './stack-clients.ts'

const run = `oq${Date.now().toString(36)}`
const [hive, other, early] = [`${run}-hive`, `${run}-other`, `${run}-early`]
/** Of this run, so that its column can be dropped afterwards. */
const traffic = `traffic_${run}`
const OWN = {
  type: 'record',
  name: 'Own',
  namespace: 'orchard',
  fields: [
    {
      name: traffic,
      type: ['null', 'double'],
      default: null,
      unit: '/min',
      minimum: 0,
      maximum: 1000,
      doc: "Bees that leave the hive's door.",
    },
  ],
}

/** A firmware that measures it, in tenths, beside the temperature. */
function firmware(): Record<string, unknown> {
  const { fields, ...rest } = JSON.parse(readFileSync(`${projectRoot}docs/examples/hive-3.avsc`, 'utf8')) as { fields: unknown[] }
  const metric = (name: string, standard: string, scale: string): object => ({
    name,
    type: { type: 'array', items: 'int' },
    standard,
    scale,
    missing: -32_768,
  })
  const metrics = [metric('bees', traffic, '0.1'), metric('inside', 'temperature', '0.01')]
  return { ...rest, namespace: `millrace.firmware.${run}`, fields: [...fields.slice(0, 6), ...metrics] }
}

describe("a quantity of the deployment's own", function () {
  this.timeout(90_000)
  const { use, atEnd } = closing()
  const folder = mkdtempSync(join(tmpdir(), 'millrace-own-'))
  const config = join(folder, 'millrace.yaml')
  const schema = firmware()
  const type = avro.Type.forSchema(schema as unknown as avro.Schema)
  const start = Date.now() - 60_000
  const versions = `/subjects/${valueSubject(topics.readings)}/versions`
  let outcomes: Outcomes

  before(async () => {
    writeFileSync(join(folder, 'own.avsc'), JSON.stringify(OWN))
    const settings = `quantities: ${join(folder, 'own.avsc')}\n`
    writeFileSync(config, settings)
    atEnd(async () => rmSync(folder, { recursive: true }))
    await millrace('migrate')
    await millrace('schemas', 'register')
    outcomes = await use(openOutcomes())
    expect(await millrace('migrate', '--config', config)).to.equal(`added to readings: ${traffic}\n`)
    atEnd(async () => {
      // Another file's store would say that it does not know it.
      await outcomes.query(`ALTER TABLE readings DROP COLUMN IF EXISTS ${traffic} CASCADE`)
    })
    await millrace('schemas', 'register', '--config', config)
    const { version } = (await (await askRegistry(`${versions}/latest`)).json()) as { readonly version: number }
    atEnd(async () => {
      await askRegistry(`${versions}/${version}`, { method: 'DELETE' })
    })
    writeFileSync(join(folder, 'hive.avsc'), JSON.stringify(schema))
    await millrace('schemas', 'register', join(folder, 'hive.avsc'), '--config', config)
    await millrace('devices', 'add', '--account', 'test', '--site', 'test', hive, other, early)
    await (await use(launchConfigured(settings, 'bridge'))).ready()
    await sendTooEarly()
    const services = [['store'], ['run', 'standardise'], ['run', 'translate']].map((args) => launchConfigured(settings, ...args))
    for (const launched of services) await (await use(launched)).ready()
  })

  const sample = (second: number, bees: number): object => ({
    ts: new Date(start + second * 1000).toISOString(),
    temperature: 20,
    [traffic]: bees,
  })
  /** A message that meets a translate whose configuration lacks the quantity. */
  async function sendTooEarly(): Promise<void> {
    await using translate = await launchConfigured('', 'run', 'translate')
    await translate.ready()
    await sendMessages([{ topic: `devices/${early}/telemetry`, payload: JSON.stringify(sample(0, 3)) }])
    await until('it is a dead letter', async () => (await outcomes.deadLetters(early)).length === 1)
  }
  const frame = (bees: readonly number[]): Buffer => {
    const differences = (values: readonly number[]): readonly number[] => values.map((value, index) => value - (values[index - 1] ?? 0))
    const datum = type.toBuffer({
      boot: 1,
      seq: 0,
      clock: 'SYNCED',
      base: start,
      dropped: 0,
      dt: bees.map((_, index) => (index === 0 ? 0 : 1000)),
      bees: differences(bees),
      inside: differences(bees.map(() => 3450)),
    })
    return Buffer.concat([Buffer.from([0xc3, 1]), schemaFingerprint(schema), datum])
  }
  const rows = async (device: string): Promise<readonly unknown[]> =>
    (await outcomes.query(`SELECT ${traffic} AS traffic, temperature FROM readings WHERE device_id = $1 ORDER BY ts`, [device])).map(
      ({ traffic: bees, temperature }) => [bees, temperature],
    )

  it('is a column with comment and unit, which frames and JSON fill', async () => {
    await sendMessages([
      { topic: `devices/${hive}/telemetry`, payload: frame([425, 10_001]) },
      { topic: `devices/${other}/telemetry`, payload: JSON.stringify([sample(0, 7.25), sample(1, -1)]) },
    ])
    await until('all are rows', async () => (await rows(hive)).length === 2 && (await rows(other)).length === 2)
    expect(await rows(hive)).to.deep.equal([
      [42.5, 34.5],
      [null, 34.5],
    ])
    expect(await rows(other)).to.deep.equal([
      [7.25, 20],
      [null, 20],
    ])
    const [comment] = await outcomes.query(
      `SELECT col_description(attrelid, attnum) AS text FROM pg_attribute WHERE attrelid = 'readings'::regclass AND attname = $1`,
      [traffic],
    )
    expect(comment).to.deep.equal({ text: "Bees that leave the hive's door. Unit: /min" })
  })

  it('is a dead letter outside its range', async () => {
    await until('both are there', async () => (await outcomes.deadLetters(hive, other)).length === 2)
    const found = (await outcomes.deadLetters(hive, other)).map(({ processor, reason, quantities, samples, detail }) => ({
      processor,
      reason,
      quantities,
      samples,
      detail,
    }))
    expect(found).to.have.deep.members([
      {
        processor: 'standardise',
        reason: 'out-of-range',
        quantities: [traffic],
        samples: [1],
        detail: `${traffic} is 1000.1 /min; expected 0 to 1000`,
      },
      {
        processor: 'translate',
        reason: 'out-of-range',
        quantities: [traffic],
        samples: [1],
        detail: `${other}: ${traffic} is -1 /min; expected 0 to 1000`,
      },
    ])
  })

  it('is added by a redrive to the row of a message that came before it was known', async () => {
    expect(await outcomes.reasons(early)).to.deep.equal(['translate unknown-quantity'])
    await until('the rest is a row', async () => (await rows(early)).length === 1)
    expect(await rows(early)).to.deep.equal([[null, 20]])
    await millrace('redrive', 'translate', '--device', early, '--config', config)
    await until('the value is there', async () => JSON.stringify(await rows(early)) === '[[3,20]]')
  })

  it('is missed aloud by a configuration that lacks it', async () => {
    expect(await millrace('migrate')).to.equal(
      `table readings also has ${traffic}, which this configuration has no quantity for: what is there stays, and new rows have no value there\n`,
    )
    const check = await millrace('schemas', 'check').catch((cause: unknown) => String(cause))
    expect(check).to.include('exited with 1').and.to.include(`readings in the registry have ${traffic}, which this configuration lacks`)
    const standardise = await use(launchConfigured('', 'run', 'standardise'))
    await standardise.ready()
    expect(standardise.log()).to.include(`readings in the registry have ${traffic}, which this configuration lacks`)
  })
})
