import { expect } from 'chai'
import { Registry } from 'prom-client'
import { shippedServices } from './declared.ts'
import { Distribution } from './distribution.ts'
import { fromZero, labelService, METRICS, type MetricReadings, reportMetrics, requireMetrics } from './metrics.ts'

describe('the metrics of a service', () => {
  it('have the service as a label beside their own, and are read when they are asked for', async () => {
    const registry = new Registry()
    labelService(registry, 'frost-alert')
    let records = 1
    const values = new Map([['out-of-range', new Map([['temperature', 3]])]])
    reportMetrics(registry, {
      millrace_records_total: () => records,
      millrace_rejected_total: () => [['out-of-range', 2]],
      millrace_rejected_values_total: () => values,
      millrace_ignored_schemas: () => 0,
    })
    records = 7
    values.get('out-of-range')?.set('humidity', 4)
    const lines = (await registry.metrics()).split('\n').filter((line) => line.startsWith('millrace_'))
    expect(lines).to.deep.equal([
      'millrace_records_total{service="frost-alert"} 7',
      'millrace_rejected_total{reason="out-of-range",service="frost-alert"} 2',
      'millrace_rejected_values_total{reason="out-of-range",quantity="temperature",service="frost-alert"} 3',
      'millrace_rejected_values_total{reason="out-of-range",quantity="humidity",service="frost-alert"} 4',
      'millrace_ignored_schemas{service="frost-alert"} 0',
    ])
    // The counters are what was read, and not their sum over all times that they were asked for.
    expect(await registry.metrics()).to.include('millrace_records_total{service="frost-alert"} 7\n')
  })

  it('may be histograms, whose buckets hold what is not longer', async () => {
    const registry = new Registry()
    registry.setDefaultLabels({ service: 'store' })
    const sample = new Distribution()
    for (const seconds of [0.02, 0.3, 100_000]) sample.add(seconds)
    reportMetrics(registry, { millrace_latency_seconds: () => [['sample', sample]] })
    const lines = (await registry.metrics()).split('\n')
    expect(lines).to.include('# TYPE millrace_latency_seconds histogram')
    const of = (le: string): string => `millrace_latency_seconds_bucket{from="sample",le="${le}",service="store"}`
    expect(lines).to.include.members([`${of('0.01')} 0`, `${of('0.025')} 1`, `${of('0.5')} 2`, `${of('86400')} 2`, `${of('+Inf')} 3`])
    expect(lines).to.include('millrace_latency_seconds_count{from="sample",service="store"} 3')
    expect(lines).to.include('millrace_latency_seconds_sum{from="sample",service="store"} 100000.32')
  })

  it('are all that the document says of its kind, and no other', () => {
    const own = Object.entries(METRICS).filter(([, { of }]) => (of as readonly string[]).includes('continuity'))
    const readings = Object.fromEntries(own.map(([name]) => [name, () => 0])) as MetricReadings
    const registry = new Registry()
    reportMetrics(registry, readings)
    expect(() => requireMetrics(registry, 'continuity')).to.not.throw()
    reportMetrics(registry, { millrace_stray_rows: () => 0 })
    expect(() => requireMetrics(registry, 'continuity')).to.throw(
      RangeError,
      'millrace_stray_rows: expected of store; continuity has it too',
    )
    expect(() => requireMetrics(new Registry(), 'continuity')).to.throw(RangeError, 'continuity does not have it')
  })

  it('have names with base units, of which only counters end in _total', () => {
    for (const name of Object.keys(METRICS))
      expect(name)
        .to.match(/^millrace_[a-z]+(_[a-z]+)*$/)
        .and.not.match(/_(ms|millis|minutes|kb|mb)(_|$)/)
  })

  it('begin at 0 for each reason, so that the first time is an increase', () => {
    expect([...fromZero(['out-of-range', 'too-large'], [['too-large', 2]])]).to.deep.equal([
      ['out-of-range', 0],
      ['too-large', 2],
    ])
  })

  it('have no service in their names: the label says it', async () => {
    const services = new Set<string>((await shippedServices()).map(({ name }) => name))
    const named = Object.keys(METRICS).filter((name) => name.split('_').some((word) => services.has(word)))
    // Named by what asked for it (docs/adr/0047-watch-and-names-of-metrics.md).
    expect(named).to.deep.equal(['millrace_store_conflicts_total'])
  })
})
