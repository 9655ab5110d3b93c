import { expect } from 'chai'
import { shippedServices } from '../../../services/declared.ts'
import { layoutOf } from './layout.ts'

describe('the picture of the line', () => {
  it('has each service to the right of what it reads from', async () => {
    const { columns, links } = layoutOf(await shippedServices())
    expect(Object.fromEntries(columns)).to.include({
      'MQTT broker': 0,
      bridge: 1,
      standardise: 2,
      store: 3,
      continuity: 3,
      'telemetry database': 4,
      'app database': 4,
    })
    for (const { from, to } of links) expect(columns.get(from), `${from} → ${to}`).to.be.lessThan(columns.get(to) ?? 0)
    expect(links).to.deep.include({ from: 'bridge', to: 'standardise', topic: 'telemetry.frames' })
    expect(links).to.deep.include({ from: 'store', to: 'telemetry database', topic: null })
  })

  it('ends if two services read from each other', () => {
    const service = (name: string, reads: string, writes: string): object => ({
      name,
      kind: 'processor',
      offsets: 'kafka',
      reads: [reads],
      writes: [{ topic: writes }],
    })
    const { links } = layoutOf([service('a', 'x', 'y'), service('b', 'y', 'x')] as unknown as Parameters<typeof layoutOf>[0])
    expect(links).to.have.length(2)
  })
})
