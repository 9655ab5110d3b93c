import { expect } from 'chai'
import { bridge } from '../../processors/bridge/declaration.ts'
import type { ConsumerName } from '../../processors/contract.ts'
import { store } from '../../processors/store/declaration.ts'
import { topics } from '../../processors/topics.ts'
import type { GroupPartitionLag } from '../lag/lag-table.ts'
import { parseMetrics } from './prometheus-text.ts'
import { createRates } from './rates.ts'
import type { ServiceReport } from './service-report.ts'
import { figures, observe, type Snapshot, type StatusService, type StatusSources } from './status.ts'
import { renderLine, renderScreen } from './status-view.ts'

const frostAlert: StatusService = { kind: 'processor', name: 'frost-alert' as ConsumerName, reads: [topics.readings], reasons: {} }

const STARTED = Date.UTC(2026, 10, 23, 7, 0, 0)

const lag = (group: string, behind: bigint): GroupPartitionLag => ({
  group,
  topic: 't',
  partition: 0,
  committed: 0n,
  end: behind,
  lag: behind,
  gone: { tag: 'nothing' },
})

function page(service: string, seconds: number): string {
  switch (service) {
    case 'bridge':
      return `millrace_forwarded_messages_total{kind="frame",service="bridge"} ${seconds * 300}\nmillrace_forwarded_messages_total{kind="raw",service="bridge"} ${seconds}\nmillrace_forwarded_messages_total{kind="status",service="bridge"} 5\n`
    case 'store':
      return `millrace_records_total{service="store"} ${seconds * 299}\nmillrace_readings_total{service="store"} ${seconds * 6000}\n`
    default:
      return `millrace_records_total{service="frost-alert"} ${seconds * 2.5}\nmillrace_rejected_total{reason="out-of-range",service="frost-alert"} 2\n`
  }
}

function sources(seconds: number, overrides: Partial<StatusSources> = {}): StatusSources {
  return {
    services: [bridge, frostAlert, store],
    service: async (name): Promise<ServiceReport> => ({ metrics: parseMetrics(page(name, seconds)), problems: new Map() }),
    lags: async () => [lag('frost-alert', 7n), lag('frost-alert', 5n), lag('store', 0n)],
    deadLetters: async () =>
      new Map([
        ['bridge.dead', 0n],
        ['frost-alert.dead', 3n],
        ['store.dead', 0n],
      ]),
    stored: async () => ({ rows: seconds * 1_500, merged: 2, repeated: 4, conflicts: 0 }),
    ...overrides,
  }
}

async function look(at: (seconds: number) => StatusSources): Promise<{ snapshot: Snapshot; rates: ReturnType<typeof createRates> }> {
  const rates = createRates(5_000)
  const first = await observe(at(10), STARTED + 10_000)
  rates.add(first.atMs, figures(first))
  const snapshot = await observe(at(12), STARTED + 12_000)
  rates.add(snapshot.atMs, figures(snapshot))
  return { snapshot, rates }
}

const deaf: Partial<StatusSources> = {
  service: async () => ({ metrics: undefined, problems: undefined }),
  lags: async () => undefined,
  deadLetters: async () => undefined,
  stored: async () => undefined,
}

describe('the live status', () => {
  it('shows what passes at each step, lag and dead letters', async () => {
    const { snapshot, rates } = await look((seconds) => sources(seconds))
    expect(
      renderScreen(snapshot, rates, { startedMs: STARTED, hints: [['end it', 'Ctrl-C']], events: ['07:00:03 store: started'] }),
    ).to.deep.equal([
      'Millrace   running 0:12',
      '',
      '                          frames/s  rows/s  readings/s',
      '  bridge       forwarded       301',
      '  frost-alert  processed       2.5',
      '  store        committed       299   1,500       6,000',
      '',
      '  rows stored   18,000, 2 merged into them, 4 repeats left out',
      '  consumer lag  frost-alert 12, store 0',
      '  dead letters  frost-alert.dead 3 (out-of-range 2)',
      '  health        all well',
      '',
      '  end it  Ctrl-C',
      '',
      '  07:00:03 store: started',
    ])
  })

  it('shows a question mark for every part that cannot be asked: unknown is not zero', async () => {
    const { snapshot, rates } = await look((seconds) => sources(seconds, deaf))
    const screen = renderScreen(snapshot, rates, { startedMs: STARTED, hints: [], events: [] })
    expect(screen.slice(2)).to.deep.equal([
      '                          frames/s  rows/s  readings/s',
      '  bridge       forwarded         ?',
      '  frost-alert  processed         ?',
      '  store        committed         ?       ?           ?',
      '',
      '  rows stored   ?',
      '  consumer lag  frost-alert ?, store ?',
      '  dead letters  ?',
      '  health        bridge: does not answer',
      '                frost-alert: does not answer',
      '                store: does not answer',
    ])
  })

  it('counts devices and what they send if a fleet belongs to it', async () => {
    const stats = { ...fleetAt(0), connected: 299 }
    const { snapshot, rates } = await look((seconds) =>
      sources(seconds, { fleet: { devices: 300, stats: () => ({ ...stats, sealed: seconds * 302, acked: seconds * 301 }) } }),
    )
    const screen = renderScreen(snapshot, rates, { startedMs: STARTED, hints: [], events: [] })
    expect(screen[0]).to.equal('Millrace   running 0:12   299 of 300 devices connected')
    expect(screen.slice(3, 5)).to.deep.equal([
      '  fleet        sent               302       0           0',
      '  broker       acknowledged       301       0',
    ])
  })

  it('fits a line for logs', async () => {
    const { snapshot, rates } = await look((seconds) => sources(seconds))
    expect(renderLine(snapshot, rates)).to.equal(
      '07:00:12 · bridge 301 frames/s · frost-alert 2.5 frames/s · store 1,500 rows/s · 18,000 rows · lag frost-alert 12 store 0 · dead letters frost-alert.dead 3 (out-of-range 2)',
    )
  })
})

function fleetAt(t: number): NonNullable<ReturnType<NonNullable<StatusSources['fleet']>['stats']>> {
  return {
    t,
    devices: 300,
    connected: 300,
    samples: 0,
    readings: 0,
    sealed: 0,
    published: 0,
    acked: 0,
    acked_samples: 0,
    bytes: 0,
    resent: 0,
    refused: 0,
    dropped: 0,
    queued: 0,
    in_flight: 0,
    line_errors: 0,
  }
}
