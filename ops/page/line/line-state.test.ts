import { expect } from 'chai'
import { bridge } from '../../../processors/bridge/declaration.ts'
import { store } from '../../../processors/store/declaration.ts'
import type { LagReport } from '../../lag/lag-watch.ts'
import { createRates } from '../../status/rates.ts'
import type { ServiceReport } from '../../status/service-report.ts'
import type { Snapshot } from '../../status/status.ts'
import { Absences } from './absences.ts'
import { layoutOf } from './layout.ts'
import { type LineLook, lineState } from './line-state.ts'
import type { HopState, LineState } from './messages.ts'

const SINCE = '2026-11-30T12:00:00.000Z'
const well: ServiceReport = { metrics: [], problems: new Map(), since: new Map() }
const silent: ServiceReport = { metrics: undefined, problems: undefined }

const snapshot = (atMs: number): Snapshot => ({
  atMs,
  devices: undefined,
  hops: [
    { name: 'bridge', does: 'forwarded', frames: 5, rows: null, readings: null, foremost: 'frames' },
    { name: 'store', does: 'committed', frames: undefined, rows: undefined, readings: undefined, foremost: 'rows' },
  ],
  stored: undefined,
  lags: [],
  deadLetters: [
    {
      topic: 'bridge.dead',
      deadLetters: undefined,
      reasons: new Map([
        ['unknown-device', 3],
        ['too-large', 0],
      ]),
    },
  ],
  problems: [],
})

function state(atMs: number, absences: Absences, over: Partial<LineLook>): LineState {
  const look: LineLook = {
    snapshot: snapshot(atMs),
    rates: createRates(5_000),
    services: [bridge, store],
    layout: layoutOf([bridge, store]),
    reports: new Map([
      ['bridge', well],
      ['store', well],
    ]),
    lag: undefined,
    servers: new Map([
      ['Kafka', undefined],
      ['telemetry database', undefined],
    ]),
    latency: { sample: undefined, receipt: undefined },
    ...over,
  }
  return lineState(look, absences)
}

const hop = ({ hops }: LineState, name: string): HopState => {
  const found = hops.find((each) => each.name === name)
  if (found === undefined) throw new Error(`no hop ${name}`)
  return found
}

describe('the state of the line', () => {
  it('says of what it does not know that it does not know it, and never 0', () => {
    const { hops, latency, stored, deadLetters } = state(1, new Absences(), {})
    expect(hops.map(({ name }) => name)).to.deep.equal(['MQTT broker', 'bridge', 'store', 'telemetry database'])
    expect(hops.flatMap(({ rates }) => rates.map(({ perSecond }) => perSecond))).to.satisfy((all: unknown[]) =>
      all.every((each) => each === null),
    )
    expect(hop({ hops } as LineState, 'store').lag).to.deep.equal({ records: null, seconds: null, state: 'unknown', causes: [] })
    expect([latency, stored]).to.deep.equal([{ sample: null, receipt: null }, null])
    expect(deadLetters).to.deep.equal([{ topic: 'bridge.dead', count: null, reasons: [{ reason: 'unknown-device', count: 3 }] }])
  })

  it('says since when a service has not answered', () => {
    const absences = new Absences()
    state(1_000, absences, {})
    const away = new Map([
      ['bridge', well],
      ['store', silent],
    ])
    state(2_000, absences, { reports: away })
    const { health, problems } = hop(state(9_000, absences, { reports: away }), 'store')
    expect([health, problems]).to.deep.equal(['silent', [{ text: 'does not answer', since: 2_000, orBefore: false }]])
  })

  it('has what a service says is wrong, since when it says', () => {
    const wrong: ServiceReport = { ...well, problems: new Map([['database', 'no answer']]), since: new Map([['database', SINCE]]) }
    const { health, problems } = hop(state(1, new Absences(), { reports: new Map([['store', wrong]]) }), 'store')
    expect([health, problems]).to.deep.equal(['wrong', [{ text: 'database: no answer', since: Date.parse(SINCE), orBefore: false }]])
  })

  it('knows of the broker what the bridge says, and nothing if it is away', () => {
    const wrong: ServiceReport = { ...well, problems: new Map([['mqtt', 'session is connecting']]), since: new Map([['mqtt', SINCE]]) }
    const health = (report: ServiceReport): string =>
      hop(state(1, new Absences(), { reports: new Map([['bridge', report]]) }), 'MQTT broker').health
    expect([well, wrong, silent].map(health)).to.deep.equal(['well', 'wrong', 'unknown'])
  })

  it('says which server does not answer', () => {
    const found = state(5, new Absences(), {
      servers: new Map([
        ['Kafka', 'no answer for 3 s'],
        ['telemetry database', 'refused'],
      ]),
    })
    expect(found.servers.find(({ name }) => name === 'Kafka')).to.deep.equal({
      name: 'Kafka',
      health: 'silent',
      problems: [{ text: 'no answer for 3 s', since: 5, orBefore: true }],
    })
    expect(hop(found, 'telemetry database').health).to.equal('silent')
  })

  it('has lag with its state and causes', () => {
    const lag = {
      atMs: 1,
      groups: [{ group: 'store', lag: 7n, timeLagSeconds: 12, state: 'stalled', causes: ['not running'] }],
    } as unknown as LagReport
    expect(hop(state(1, new Absences(), { lag }), 'store').lag).to.deep.equal({
      records: 7,
      seconds: 12,
      state: 'stalled',
      causes: ['not running'],
    })
  })
})
