import { spawnSync } from 'node:child_process'
import { copyFileSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect } from 'chai'
import { stringify } from 'yaml'
import { WATCH_METRICS } from '../../ops/watch/metrics.ts'
import { projectRoot } from '../../schemas/files.ts'
import { METRICS } from '../../services/metrics.ts'
import { namesIn, panelQueries, RULES_FILE, RULES_FOLDER, rules } from './prometheus-names.ts'

/** Series by what promtool calls them: `name{labels}`, and their values a minute apart. */
type Series = Readonly<Record<string, string>>

interface Case {
  readonly series: Series
  /** When it must fire. */
  readonly at: string
  /** Labels of the alert, beside its severity. */
  readonly labels?: Readonly<Record<string, string>>
  /** When it must not fire yet. */
  readonly notAt?: string
}

const alerts = rules.filter((rule) => rule.alert !== undefined)

const STORE = { service: 'store' }
const STORE_GROUP = { group: 'store', service: 'watch' }
const TELEMETRY = { database: 'telemetry', service: 'watch' }

/** Series of each alert that make it fire. */
const CASES: Readonly<Record<string, Case>> = {
  MillraceServiceDown: {
    series: { 'up{job="millrace",service="store",instance="127.0.0.1:9465"}': '1 1 0+0x9' },
    notAt: '3m',
    at: '5m',
    labels: { ...STORE, job: 'millrace', instance: '127.0.0.1:9465' },
  },
  MillraceUnhealthy: { series: { 'millrace_healthy{service="store"}': '1 0+0x20' }, notAt: '9m', at: '12m', labels: STORE },
  MillraceRestarts: {
    series: { 'process_start_time_seconds{job="millrace",service="store"}': '100 100 200 300 400 500 500+0x20' },
    at: '10m',
    labels: STORE,
  },
  MillraceClockWrong: {
    series: { 'millrace_clock_ahead_seconds{reference="kafka",service="bridge"}': '0 -45+0x20' },
    notAt: '4m',
    at: '8m',
    labels: { reference: 'kafka', service: 'bridge' },
  },
  MillraceNotWatched: { series: {}, notAt: '4m', at: '6m' },
  MillraceSourceDown: {
    series: { 'millrace_source_up{source="kafka",service="watch"}': '1 0+0x20' },
    at: '8m',
    labels: { source: 'kafka', service: 'watch' },
  },
  MillraceGroupStopped: {
    series: { 'millrace_group_status{group="store",status="STOP",service="watch"}': '0 1+0x20' },
    notAt: '4m',
    at: '8m',
    labels: { ...STORE_GROUP, status: 'STOP' },
  },
  MillraceGroupStalled: {
    series: { 'millrace_group_status{group="store",status="STALL",service="watch"}': '0 1+0x20' },
    at: '8m',
    labels: { ...STORE_GROUP, status: 'STALL' },
  },
  MillraceGroupBehind: {
    series: { 'kafka_consumergroup_group_max_lag_seconds{cluster_name="millrace",group="store",service="watch"}': '0 0+60x20' },
    notAt: '6m',
    at: '9m',
    labels: { ...STORE_GROUP, cluster_name: 'millrace' },
  },
  MillraceLagUnknown: {
    series: { 'millrace_group_status{group="store",status="UNKNOWN",service="watch"}': '0 1+0x20' },
    at: '12m',
    labels: { ...STORE_GROUP, status: 'UNKNOWN' },
  },
  MillraceDeadLetters: {
    series: { 'millrace_rejected_total{service="standardise",reason="out-of-range"}': '0 0 1+0x40' },
    notAt: '1m',
    at: '5m',
    labels: { service: 'standardise', reason: 'out-of-range' },
  },
  MillraceManyDeadLetters: {
    series: {
      'millrace_rejected_total{service="standardise",reason="out-of-range"}': '0+30x20',
      'millrace_records_total{service="standardise"}': '0+300x20',
    },
    notAt: '4m',
    at: '12m',
    labels: { service: 'standardise' },
  },
  MillraceLostRecords: {
    series: {
      'millrace_lost_offsets_total{service="store"}': '0 0 7+0x20',
      'millrace_truncated_offsets_total{service="store"}': '0+0x20',
    },
    at: '5m',
    labels: STORE,
  },
  MillraceLatencyHigh: {
    series: {
      'millrace_latency_seconds_bucket{service="store",from="receipt",le="10"}': '0+90x30',
      'millrace_latency_seconds_bucket{service="store",from="receipt",le="60"}': '0+100x30',
      'millrace_latency_seconds_bucket{service="store",from="receipt",le="+Inf"}': '0+100x30',
    },
    notAt: '5m',
    at: '15m',
    labels: { from: 'receipt' },
  },
  MillraceWebhooksFail: {
    series: { 'millrace_webhook_messages_total{service="alerts",outcome="failed"}': '0 0 1+0x20' },
    at: '5m',
    labels: { service: 'alerts' },
  },
  MillraceBrokerLost: {
    series: { 'millrace_broker_connected{service="bridge"}': '1 0+0x20' },
    at: '4m',
    notAt: '2m',
    labels: { service: 'bridge' },
  },
  MillraceBrokerDrops: {
    series: { 'millrace_broker_publishes_total{direction="dropped",service="watch"}': '0 0 12+0x20' },
    at: '5m',
    labels: { direction: 'dropped', service: 'watch' },
  },
  MillraceSessionLost: {
    series: {
      'millrace_lost_sessions_total{service="bridge"}': '0 0 1+0x20',
      'millrace_session_takeovers_total{service="bridge"}': '0+0x22',
    },
    at: '5m',
    labels: { service: 'bridge' },
  },
  MillraceDefaultPartitionHasRows: {
    series: { 'millrace_stray_rows{service="store"}': '0 5+0x30' },
    notAt: '14m',
    at: '18m',
    labels: STORE,
  },
  MillracePartitionsRunOut: {
    series: { 'millrace_partition_days_ready{service="store"}': '1+0x60' },
    notAt: '25m',
    at: '35m',
    labels: STORE,
  },
  MillraceUpkeepFails: {
    series: {
      'millrace_partition_care_failures_total{service="store"}': '0+1x120',
      'millrace_archive_failures_total{service="store"}': '0+0x120',
    },
    notAt: '50m',
    at: '70m',
    labels: STORE,
  },
  MillraceOldTransaction: {
    series: { 'millrace_database_oldest_transaction_seconds{database="telemetry",service="watch"}': '0+60x40' },
    notAt: '18m',
    at: '25m',
    labels: TELEMETRY,
  },
  MillraceTransactionIdsRunOut: {
    series: {
      'millrace_database_transaction_id_age{database="telemetry",service="watch"}': '900000000+0x80',
      'millrace_database_autovacuum_freeze_max_age{database="telemetry",service="watch"}': '200000000+0x80',
    },
    at: '65m',
    labels: TELEMETRY,
  },
  MillraceConnectionsRunOut: {
    series: {
      'millrace_database_connections{database="telemetry",service="watch"}': '90+0x30',
      'millrace_database_max_connections{database="telemetry",service="watch"}': '100+0x30',
    },
    at: '12m',
    labels: TELEMETRY,
  },
}

/** A line at rest: two hours of a load that is handled. */
const AT_REST: Series = {
  'up{job="millrace",service="store",instance="127.0.0.1:9465"}': '1+0x120',
  'millrace_healthy{service="store"}': '1+0x120',
  'process_start_time_seconds{job="millrace",service="store"}': '100+0x40 2500+0x80',
  'millrace_clock_ahead_seconds{reference="kafka",service="bridge"}': '0.01+0x60 NaN+0x60',
  'millrace_source_up{source="kafka",service="watch"}': '1+0x120',
  'millrace_group_status{group="store",status="OK",service="watch"}': '1+0x120',
  'millrace_group_status{group="store",status="STOP",service="watch"}': '0+0x40 1 1 0+0x80',
  'millrace_group_status{group="store",status="STALL",service="watch"}': '0+0x120',
  'millrace_group_status{group="store",status="UNKNOWN",service="watch"}': '0+0x120',
  'kafka_consumergroup_group_max_lag_seconds{cluster_name="millrace",group="store",service="watch"}': '0.2+0x60 70 80 0.2+0x20 NaN 0+0x30',
  'millrace_rejected_total{service="standardise",reason="out-of-range"}': '3+0x40 0+0x80',
  'millrace_records_total{service="standardise"}': '0+300x120',
  'millrace_lost_offsets_total{service="store"}': '0+0x120',
  'millrace_truncated_offsets_total{service="store"}': '0+0x120',
  'millrace_latency_seconds_bucket{service="store",from="receipt",le="10"}': '0+100x120',
  'millrace_latency_seconds_bucket{service="store",from="receipt",le="60"}': '0+100x120',
  'millrace_latency_seconds_bucket{service="store",from="receipt",le="+Inf"}': '0+100x120',
  'millrace_webhook_messages_total{service="alerts",outcome="failed"}': '2+0x120',
  'millrace_broker_connected{service="bridge"}': '1+0x40 0 1+0x80',
  'millrace_broker_publishes_total{direction="dropped",service="watch"}': '5+0x40 0+0x80',
  'millrace_lost_sessions_total{service="bridge"}': '0+0x120',
  'millrace_session_takeovers_total{service="bridge"}': '0+0x120',
  'millrace_stray_rows{service="store"}': 'NaN 0+0x40 20+0x5 0+0x80',
  'millrace_partition_days_ready{service="store"}': 'NaN 7+0x120',
  'millrace_partition_care_failures_total{service="store"}': '0+0x20 1+0x100',
  'millrace_archive_failures_total{service="store"}': '0+0x120',
  'millrace_database_oldest_transaction_seconds{database="telemetry",service="watch"}': '0+0x60 NaN+0x60',
  'millrace_database_transaction_id_age{database="telemetry",service="watch"}': '201000000+0x120',
  'millrace_database_autovacuum_freeze_max_age{database="telemetry",service="watch"}': '200000000+0x120',
  'millrace_database_connections{database="telemetry",service="watch"}': '12+0x120',
  'millrace_database_max_connections{database="telemetry",service="watch"}': '100+0x120',
}

const known = new Set<string | undefined>([...Object.keys(METRICS), ...Object.keys(WATCH_METRICS), ...rules.map(({ record }) => record)])

function expectKnown(expr: string): void {
  for (const name of namesIn(expr)) expect([...known], expr).to.include(known.has(name) ? name : name.replace(/_(bucket|sum|count)$/, ''))
}

describe('the rules for Prometheus', function () {
  this.timeout(60_000)
  const folder = mkdtempSync(join(tmpdir(), 'millrace-rules-'))
  after(() => rmSync(folder, { recursive: true, force: true }))

  function promtool(...args: readonly string[]): void {
    const { status, stdout, stderr } = spawnSync('promtool', args, { encoding: 'utf8', cwd: folder })
    expect(status, `${stdout}${stderr}`).to.equal(0)
  }

  it('are what Prometheus takes, with their configuration', () => {
    for (const name of ['prometheus.yml', 'millrace.rules.yml']) copyFileSync(join(RULES_FOLDER, name), join(folder, name))
    writeFileSync(join(folder, 'targets.json'), '[]')
    promtool('check', 'config', 'prometheus.yml')
  })

  it('ask for metrics that there are', () => {
    for (const { expr } of rules) expectKnown(expr)
  })

  it('do so in the dashboards too, in words that Prometheus understands', () => {
    for (const expr of panelQueries) expectKnown(expr)
    const asked = panelQueries.map((expr, index) => ({ record: `panel:${index}`, expr: expr.replaceAll('$__rate_interval', '1m') }))
    writeFileSync(join(folder, 'panels.yml'), stringify({ groups: [{ name: 'panels', rules: asked }] }))
    promtool('check', 'rules', 'panels.yml')
  })

  it('say for each alert what to do, with an entry in the runbook, which has no other entries', () => {
    const entries = [...readFileSync(join(projectRoot, 'docs/runbook.md'), 'utf8').matchAll(/^## (Millrace\w+)$/gm)].map(([, name]) => name)
    expect(entries.toSorted()).to.deep.equal(alerts.map(({ alert }) => alert).toSorted())
    for (const { alert = '', annotations, labels } of alerts) {
      expect(annotations, alert).to.have.all.keys('summary', 'description', 'runbook')
      expect(annotations?.runbook).to.equal(`docs/runbook.md#${alert.toLowerCase()}`)
      expect(labels?.severity, alert).to.be.oneOf(['critical', 'warning'])
    }
  })

  it('fire on the series of their fault, and not before', () => {
    expect(Object.keys(CASES).toSorted()).to.deep.equal(alerts.map(({ alert }) => alert).toSorted())
    const tests = alerts.map(({ alert = '', labels: own = {}, annotations = {} }) => {
      const { series, at, notAt, labels = {} } = CASES[alert] as Case
      const rendered = (text: string): string => text.replace(/\{\{ \$labels\.(\w+) \}\}/g, (_, name: string) => labels[name] ?? '')
      const expected = {
        exp_labels: { ...own, ...labels },
        exp_annotations: Object.fromEntries(Object.entries(annotations).map(([name, text]) => [name, rendered(text)])),
      }
      const quiet = notAt === undefined ? [] : [{ eval_time: notAt, alertname: alert, exp_alerts: [] }]
      return inputs(series, [...quiet, { eval_time: at, alertname: alert, exp_alerts: [expected] }])
    })
    check(tests)
  })

  it('do not fire at rest, nor for a restart, a short lag or what is not known', () => {
    const quiet = alerts.flatMap(({ alert }) =>
      ['30m', '50m', '65m', '119m'].map((time) => ({ eval_time: time, alertname: alert, exp_alerts: [] })),
    )
    check([inputs(AT_REST, quiet)])
  })

  function inputs(series: Series, tests: readonly object[]): object {
    return {
      interval: '1m',
      input_series: Object.entries(series).map(([name, values]) => ({ series: name, values })),
      alert_rule_test: tests,
    }
  }

  function check(tests: readonly object[]): void {
    writeFileSync(join(folder, 'test.yml'), stringify({ rule_files: [RULES_FILE], evaluation_interval: '1m', tests }))
    promtool('test', 'rules', 'test.yml')
  }
})
