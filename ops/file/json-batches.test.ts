import { expect } from 'chai'
import { JsonBatches } from './json-batches.ts'

describe('the messages of a file', () => {
  it('are arrays of one device each, in the order of its lines, without what is missing', () => {
    const batches = new JsonBatches(['temperature', 'humidity'])
    for (const line of ['2021-06-19T00:00:00Z,a,1.50,', '2021-06-19T00:00:00Z,b,,2', '2021-06-19T00:01:00Z,a,-1e-7,3']) batches.add(line)
    expect(batches.finish()).to.deep.equal([
      {
        device: 'a',
        samples: 2,
        text: '[{"ts":"2021-06-19T00:00:00Z","temperature":1.50},{"ts":"2021-06-19T00:01:00Z","temperature":-1e-7,"humidity":3}]',
      },
      { device: 'b', samples: 1, text: '[{"ts":"2021-06-19T00:00:00Z","humidity":2}]' },
    ])
    expect(batches.finish()).to.deep.equal([])
  })

  it('have each time once: of two values in one message none would be taken', () => {
    const batches = new JsonBatches(['temperature'])
    const line = '2021-06-19T00:00:00Z,a,1'
    expect(batches.add(line)).to.deep.equal([])
    expect(batches.add('2021-06-19T00:00:00Z,a,2').map(({ text }) => text)).to.deep.equal([
      '[{"ts":"2021-06-19T00:00:00Z","temperature":1}]',
    ])
  })

  it('are small, and of few days, whatever the order', () => {
    const batches = new JsonBatches(['temperature'])
    const messages = Array.from({ length: 5_000 }, (_, line) =>
      batches.add(`${new Date(Date.UTC(2021, 0, 1) + ((line * 7919) % 400) * 86_400_000).toISOString()},a,${line}`),
    ).flat()
    messages.push(...batches.finish())
    expect(messages.reduce((sum, { samples }) => sum + samples, 0)).to.equal(5_000)
    for (const { text } of messages) {
      expect(text.length).to.be.at.most(16_384)
      const days = (JSON.parse(text) as { ts: string }[]).map(({ ts }) => Date.parse(ts) / 86_400_000)
      expect(Math.max(...days) - Math.min(...days)).to.be.below(100)
    }
  })
})
