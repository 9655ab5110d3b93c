import { expect } from 'chai'
import type { FleetStats } from '../../ops/fleet/fleet-stats.ts'
import type { GroupPartitionLag } from '../../ops/lag/lag-table.ts'
import { bridge } from '../../processors/bridge/declaration.ts'
import { store } from '../../processors/store/declaration.ts'
import { createProgress } from './progress.ts'

const lag = (behind: bigint): readonly GroupPartitionLag[] => [
  { group: 'store', topic: 'telemetry.readings', partition: 0, committed: 0n, end: behind, lag: behind, gone: { tag: 'nothing' } },
]
const stats = (acked: number, connected = 1): FleetStats => ({ devices: 1, connected, acked_samples: acked, refused: 4 }) as FleetStats
const pace = { pollMs: 5, quietMs: 40, standstillMs: 60_000 }
const healthy = { metrics: [], problems: new Map<string, string>() }

describe('a file on its way', () => {
  const never = new AbortController().signal

  it('is drained once no group is behind and nothing comes any more', async () => {
    let behind = 3n
    const sources = {
      services: [bridge, store],
      service: async () => healthy,
      stored: async () => ({ rows: 8, merged: 1, repeated: 0, conflicts: 1 }),
      lags: async () => lag(behind > 0n ? behind-- : 0n),
    }
    const progress = createProgress(sources, () => stats(10), 10, { rows: 0, merged: 0, repeated: 0, conflicts: 0 }, pace)
    expect(await progress.drained(never)).to.equal('drained')
  })

  it('is given up if a lag stays and nothing moves, and what stands is named', async () => {
    const sources = {
      services: [bridge, store],
      service: async (name: string) =>
        name === 'store'
          ? { metrics: [], problems: new Map([['database', 'it does not answer']]) }
          : name === 'bridge'
            ? { metrics: undefined, problems: undefined }
            : healthy,
      stored: async () => ({ rows: 5, merged: 0, repeated: 2, conflicts: 0 }),
      lags: async () => lag(49n),
    }
    const progress = createProgress(
      sources,
      () => stats(3, 0),
      10,
      { rows: 0, merged: 0, repeated: 0, conflicts: 0 },
      { ...pace, standstillMs: 100 },
    )
    expect(await progress.drained(never)).to.equal('stands')
    expect(await progress.why()).to.deep.equal([
      'nothing has moved for 0 s: 3 of 10 lines sent, 7 through the store',
      '0 of 1 devices are connected to the broker',
      'the broker refused frames 4 times: nobody subscribes while the bridge is away',
      'store is 49 records behind',
      'bridge does not answer',
      'store: database: it does not answer',
    ])
  })

  it('is given up if neither Kafka nor the database can be asked', async () => {
    const sources = { services: [], service: async () => healthy, stored: async () => undefined, lags: async () => undefined }
    const progress = createProgress(sources, () => undefined, 10, undefined, { ...pace, standstillMs: 30 })
    expect(await progress.drained(never)).to.equal('stands')
    expect((await progress.why()).slice(1)).to.deep.equal([
      'Kafka does not say how far the consumer groups are',
      'the telemetry database does not say what is stored',
    ])
  })

  it('ends with the signal', async () => {
    const stopping = new AbortController()
    const sources = { services: [], service: async () => healthy, stored: async () => undefined, lags: async () => lag(1n) }
    const progress = createProgress(sources, () => undefined, 10, undefined, pace)
    setTimeout(() => stopping.abort(), 50)
    expect(await progress.drained(stopping.signal)).to.equal('interrupted')
  })
})
