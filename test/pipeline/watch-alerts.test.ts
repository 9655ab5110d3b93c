import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect } from 'chai'
import type pg from 'pg'
import { openTopicLogs } from '../../connectors/kafka/topic-logs.ts'
import { migrateRoles, migrateTelemetry } from '../../connectors/postgres/migrate.ts'
import { readMigrations } from '../../connectors/postgres/migrations.ts'
import { createRegistry } from '../../connectors/registry/registry.ts'
import { topics } from '../../processors/topics.ts'
import { projectRoot } from '../../schemas/files.ts'
import { quantities } from '../../schemas/generated/readings.ts'
import { closing } from '../adversary/closing.ts'
import { frameRecord, produce, testFirmware, wire } from './frames.ts'
import { crash, revive } from './local-parts.ts'
import { RULES_FILE, RULES_FOLDER } from './prometheus-names.ts'
import { scratchDatabase } from './scratch-database.ts'
import { freePort, launchWith, millrace, type RunningService, until } from './service.ts'
import { address, testKafka } from './stack-clients.ts'

const run = `a${Date.now().toString(36)}`
/** Older than what makes MillraceGroupBehind fire. */
const OLD_MS = 120_000
const SOON_MS = 60_000

interface Alert {
  readonly state: string
  readonly labels: Readonly<Record<string, string>>
}

/** Real faults, a real Prometheus, and the rules as they are but for their `for:`, which is 2 s. */
describe('alerts in Prometheus', function () {
  this.timeout(180_000)
  const { use, atEnd } = closing()
  const folder = mkdtempSync(join(tmpdir(), 'millrace-alerts-'))
  const services: Record<string, RunningService> = {}
  let url: string

  before(async () => {
    atEnd(async () => rmSync(folder, { recursive: true, force: true }))
    await millrace('migrate')
    await millrace('schemas', 'register')
    await millrace('devices', 'add', '--account', 'test', run)
    const database = await use(scratchDatabase('TELEMETRY_DATABASE_URL'))
    const migrations = await readMigrations(join(projectRoot, 'db/telemetry'))
    await migrateTelemetry({ url: database.url, migrations, quantities, backend: 'postgres' })
    await migrateRoles(database.url, { database: 'telemetry', prefix: 'millrace' })
    await startAtTheEnd(database)
    await keepAStray(await database.connect())
    const launch = async (name: string, ...args: readonly string[]): Promise<void> => {
      const settings = 'processors: [standardise]\nstore: { backend: postgres }\nwatch: { interval_seconds: 1 }\n'
      services[name] = await use(launchWith({ settings, env: { TELEMETRY_DATABASE_URL: database.url } }, ...args))
      await services[name]?.ready(SOON_MS)
    }
    await Promise.all([
      launch('bridge', 'bridge'),
      launch('standardise', 'run', 'standardise'),
      launch('store', 'store'),
      launch('watch', 'watch'),
    ])
    await startPrometheus()
  })

  /** What others left in the topic is not this store's. */
  async function startAtTheEnd(database: Pick<Awaited<ReturnType<typeof scratchDatabase>>, 'query'>): Promise<void> {
    await using logs = openTopicLogs(testKafka())
    const id = (await logs.topics([topics.readings])).get(topics.readings)?.id
    for (const { partition, end } of await logs.extents(topics.readings))
      await database.query(
        `INSERT INTO consumer_offset (consumer, topic, partition, topic_id, next_offset, epoch, claimed_at) VALUES ('store', $1, $2, $3, $4, 0, now())`,
        [topics.readings, partition, id, end],
      )
  }

  /** A row of a day without a partition, which an open transaction keeps where it is. */
  async function keepAStray(session: pg.Client): Promise<void> {
    await session.query(
      `INSERT INTO readings (device_id, ts, time_estimated, temperature) VALUES ($1, now() - interval '40 days', false, 20)`,
      [run],
    )
    await session.query('BEGIN')
    await session.query('SELECT count(*) FROM readings_default')
  }

  async function startPrometheus(): Promise<void> {
    const port = await freePort()
    url = `http://127.0.0.1:${port}`
    const rules = readFileSync(RULES_FILE, 'utf8')
    writeFileSync(join(folder, 'millrace.rules.yml'), rules.replace(/^( +for: ).*$/gm, '$12s'))
    const config = readFileSync(join(RULES_FOLDER, 'prometheus.yml'), 'utf8')
    writeFileSync(join(folder, 'prometheus.yml'), config.replaceAll(/_interval: 15s/g, '_interval: 1s'))
    const targets = Object.entries(services).map(([service, each]) => ({ targets: [`127.0.0.1:${each.port}`], labels: { service } }))
    writeFileSync(join(folder, 'targets.json'), JSON.stringify(targets))
    const args = [
      `--config.file=${folder}/prometheus.yml`,
      `--storage.tsdb.path=${folder}/series`,
      `--web.listen-address=127.0.0.1:${port}`,
    ]
    const prometheus = spawn('prometheus', args, { stdio: 'ignore' })
    atEnd(async () => void prometheus.kill('SIGKILL'))
    await once(prometheus, 'spawn')
    await until('Prometheus is ready', async () => (await fetch(`${url}/-/ready`).catch(() => undefined))?.ok === true, SOON_MS)
  }

  async function firing(name: string): Promise<readonly Alert['labels'][]> {
    const answer = (await (await fetch(`${url}/api/v1/alerts`)).json()) as { readonly data: { readonly alerts: readonly Alert[] } }
    return answer.data.alerts.filter(({ state, labels }) => state === 'firing' && labels.alertname === name).map(({ labels }) => labels)
  }

  const fires = (name: string, label = '', value = ''): Promise<void> =>
    until(`${name} fires`, async () => (await firing(name)).some((labels) => label === '' || labels[label] === value), SOON_MS)

  it('say that the default partition has rows, and nothing of what is well', async () => {
    await fires('MillraceDefaultPartitionHasRows')
    for (const name of ['ServiceDown', 'GroupStopped', 'BrokerLost', 'NotWatched', 'SourceDown'])
      expect(await firing(`Millrace${name}`), name).to.deep.equal([])
  })

  it('say that there are dead letters', async () => {
    await produce([frameRecord(run, Buffer.from('no frame'))])
    await fires('MillraceDeadLetters', 'service', 'standardise')
  })

  it('say that the bridge has lost the broker, until it has it again', async () => {
    await crash('mosquitto')
    try {
      await fires('MillraceBrokerLost')
      await fires('MillraceSourceDown', 'source', 'broker')
    } finally {
      await revive('mosquitto')
    }
    await until('the alert ends', async () => (await firing('MillraceBrokerLost')).length === 0, SOON_MS)
  })

  it('say that the store has stopped, and that it is behind', async () => {
    await services.store?.[Symbol.asyncDispose]()
    const firmware = testFirmware(run)
    const schemaId = await createRegistry(address('REGISTRY_URL')).register(firmware.subject, firmware.schema('0.01'))
    const atMs = Date.now() - OLD_MS
    await produce([frameRecord(run, wire(schemaId, firmware.datum(1, atMs, [2000])), atMs)])
    await fires('MillraceServiceDown', 'service', 'store')
    await fires('MillraceGroupStopped', 'group', 'store')
    await fires('MillraceGroupBehind', 'group', 'store')
    expect((await firing('MillraceGroupStopped')).map(({ group }) => group)).to.deep.equal(['store'])
  })
})
