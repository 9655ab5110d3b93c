import { spawnSync } from 'node:child_process'
import { setTimeout as delay } from 'node:timers/promises'
import { expect } from 'chai'
import { createRegistry } from '../../connectors/registry/registry.ts'
import { type MetricSample, parseMetrics } from '../../ops/status/prometheus-text.ts'
import { steadyLoad } from './frame-load.ts'
import { testFirmware } from './frames.ts'
import { crash, revive, stop } from './local-parts.ts'
import { namesIn, panelQueries, rules } from './prometheus-names.ts'
import { launchWith, millrace, type RunningService, startService, until } from './service.ts'
import { address, testDatabase } from './stack-clients.ts'

const run = `w${Date.now().toString(36)}`
const devices = Array.from({ length: 5 }, (_, index) => `${run}-${index}`)

describe('millrace watch', function () {
  this.timeout(120_000)
  let watch: RunningService

  before(async () => {
    await millrace('migrate')
    await millrace('schemas', 'register')
    await millrace('devices', 'add', '--account', 'test', ...devices)
    watch = await launchWith({ settings: 'watch: { interval_seconds: 1 }\nprocessors: [standardise]\n' }, 'watch')
    await watch.ready()
  })

  after(() => watch?.[Symbol.asyncDispose]())

  const page = async (service: RunningService, path = '/metrics'): Promise<string> =>
    (await fetch(`http://127.0.0.1:${service.port}${path}`)).text()

  async function samples(name: string, labels: Readonly<Record<string, string>> = {}): Promise<readonly MetricSample[]> {
    return parseMetrics(await page(watch)).filter(
      (sample) => sample.name === name && Object.entries(labels).every(([label, value]) => sample.labels[label] === value),
    )
  }

  async function value(name: string, labels: Readonly<Record<string, string>> = {}): Promise<number | undefined> {
    return (await samples(name, labels))[0]?.value
  }

  const status = async (group: string): Promise<string | undefined> =>
    (await samples('millrace_group_status', { group })).find((each) => each.value === 1)?.labels.status

  it('says how far a stopped group is behind, by its records, that it is stopped, and that it is back', async () => {
    const firmware = testFirmware(run)
    const schemaId = await createRegistry(address('REGISTRY_URL')).register(firmware.subject, firmware.schema('0.01'))
    await using standardise = await startService('run', 'standardise')
    const load = await steadyLoad(firmware, schemaId, devices, 100)
    try {
      await until('it sees that nobody runs the store', async () => (await status('store')) === 'STOP', 60_000)
      const sum = async (): Promise<number> => (await value('kafka_consumergroup_group_sum_lag', { group: 'store' })) ?? 0
      await until('it has something to read', async () => (await sum()) > 100, 60_000)
      const age = (await value('kafka_consumergroup_group_max_lag_seconds', { group: 'store' })) ?? 0
      await delay(4_000)
      expect(await value('kafka_consumergroup_group_max_lag_seconds', { group: 'store' })).to.be.within(age + 1, age + 30)
      const lags = await samples('kafka_consumergroup_group_lag', { group: 'store' })
      expect(lags.reduce((all, each) => all + each.value, 0)).to.be.greaterThan(100)
      expect(await value('millrace_group_members', { group: 'store' })).to.equal(0)
      expect(await value('millrace_group_members', { group: 'standardise' })).to.equal(1)
      const shown = JSON.parse(await page(watch, '/lag')) as {
        readonly groups: readonly { readonly group: string; readonly lag: number }[]
      }
      expect(shown.groups.find(({ group }) => group === 'store')?.lag).to.be.greaterThan(100)
    } finally {
      await load.stop()
    }
    await using store = await startService('store')
    await until('the store is well', async () => (await status('store')) === 'OK', 60_000)
    await until('nothing is left', async () => (await value('kafka_consumergroup_group_max_lag_seconds', { group: 'store' })) === 0, 60_000)
    await using bridge = await startService('bridge')
    await using statuses = await startService('run', 'devices')
    await using continuity = await startService('run', 'continuity')
    const pages = await Promise.all([bridge, standardise, statuses, continuity, store, watch].map((service) => page(service)))
    for (const text of pages) expect(lint(text)).to.deep.equal([])
    const recorded = rules.map(({ record }) => record)
    const there = new Set([...pages.flatMap(parseMetrics).map(({ name }) => name), ...recorded])
    for (const expr of [...rules.map((rule) => rule.expr), ...panelQueries])
      for (const name of namesIn(expr)) expect([...there], expr).to.include(name)
  })

  it('sees as the role of its own how long somebody has been in a transaction', async () => {
    const database = testDatabase(address('TELEMETRY_DATABASE_URL'))
    await database.connect()
    try {
      const { rows } = await database.query<{ usename: string }>(
        "SELECT DISTINCT usename FROM pg_stat_activity WHERE application_name = 'millrace watch' AND datname = current_database()",
      )
      expect(rows).to.deep.equal([{ usename: 'millrace_watch' }])
      await database.query('BEGIN')
      await until(
        'it sees the transaction',
        async () => ((await value('millrace_database_oldest_transaction_seconds', { database: 'telemetry' })) ?? 0) > 2,
        60_000,
      )
    } finally {
      await database.end()
    }
    expect(await value('millrace_database_partitions', { database: 'telemetry' })).to.be.greaterThan(0)
    expect(await samples('millrace_database_partitions', { database: 'app' })).to.deep.equal([])
    for (const database of ['telemetry', 'app']) {
      const figures = ['size_bytes', 'wal_bytes_total', 'connections', 'max_connections', 'transaction_id_age', 'autovacuum_freeze_max_age']
      for (const name of figures) expect(await value(`millrace_database_${name}`, { database }), name).to.be.greaterThan(0)
    }
  })

  it('has what the broker tells, nothing of it while the broker is away, and goes on with the rest', async () => {
    await until('the broker told', async () => (await value('millrace_broker_uptime_seconds')) !== undefined, 30_000)
    expect(await value('millrace_source_up', { source: 'broker' })).to.equal(1)
    await crash('mosquitto')
    try {
      await until('it noticed', async () => (await value('millrace_source_up', { source: 'broker' })) === 0, 30_000)
      expect(parseMetrics(await page(watch)).filter(({ name }) => name.startsWith('millrace_broker'))).to.deep.equal([])
      expect((await watch.health())?.broker).to.match(/connecting to mqtt:/)
      expect(await value('millrace_source_up', { source: 'kafka' })).to.equal(1)
    } finally {
      await revive('mosquitto')
    }
    await until('the broker told again', async () => (await value('millrace_broker_uptime_seconds')) !== undefined, 60_000)
    expect(lint(await page(watch))).to.deep.equal([])
  })

  it('is scraped by the Prometheus of the local stack, which is there on request', async () => {
    await revive('prometheus')
    try {
      const port = 9090 + Number(process.env.MILLRACE_PORT_OFFSET ?? 0)
      const api = async (path: string): Promise<string> => (await fetch(`http://127.0.0.1:${port}/api/v1/${path}`)).text()
      await until('it has read its targets', async () => (await api('targets')).includes('"service":"watch"'), 60_000)
      expect(await api('rules')).to.include('MillraceGroupStopped')
    } finally {
      await stop('prometheus')
    }
  })
})

/**
 * What Prometheus's linter has to say about a page of metrics. Days of partitions are counted like
 * other things: they are no durations, as it thinks.
 */
function lint(metrics: string): readonly string[] {
  const { stderr } = spawnSync('promtool', ['check', 'metrics'], { input: metrics, encoding: 'utf8' })
  return stderr.split('\n').filter((line) => line !== '' && !/ use base unit "seconds" instead of "(days|hours)"$/.test(line))
}
