import { expect } from 'chai'
import { Registry } from 'prom-client'
import { Distribution } from '../../../services/distribution.ts'
import { reportMetrics } from '../../../services/metrics.ts'
import { parseMetrics } from '../../status/prometheus-text.ts'
import { counted, histogram, latencyOf } from './latency.ts'

describe('latency out of a histogram', () => {
  const distribution = new Distribution()
  const registry = new Registry()
  reportMetrics(registry, { millrace_latency_seconds: () => [['sample', distribution]] })
  const look = async (): Promise<ReturnType<typeof histogram>> =>
    histogram(parseMetrics(await registry.metrics()), 'millrace_latency_seconds', 'from', 'sample')

  it('is that of what was counted between two looks', async () => {
    distribution.add(3_600)
    const before = await look()
    for (let sample = 0; sample < 98; sample++) distribution.add(0.02)
    for (let sample = 0; sample < 2; sample++) distribution.add(4)
    const found = counted(await look(), before)
    if (found === undefined) throw new Error('nothing was counted')
    const { median, p99 } = latencyOf(found)
    expect(median).to.be.within(0.01, 0.025)
    expect(p99).to.be.within(2.5, 5)
  })

  it('is not known if nothing was counted, or the service was started again', async () => {
    const now = await look()
    expect(counted(now, now)).to.equal(undefined)
    expect(
      counted(
        new Map([
          [1, 1],
          [Number.POSITIVE_INFINITY, 2],
        ]),
        new Map([
          [1, 3],
          [Number.POSITIVE_INFINITY, 3],
        ]),
      ),
    ).to.equal(undefined)
    expect(counted(new Map(), new Map())).to.equal(undefined)
  })

  it('is the last bound if it is beyond all', () => {
    expect(
      latencyOf(
        new Map([
          [1, 0],
          [5, 0],
          [Number.POSITIVE_INFINITY, 7],
        ]),
      ),
    ).to.deep.equal({ median: 5, p99: 5 })
  })
})
