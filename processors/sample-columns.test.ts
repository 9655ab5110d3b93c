import { expect } from 'chai'
import fc from 'fast-check'
import { quantities } from '../schemas/generated/readings.ts'
import { SampleColumns } from './sample-columns.ts'

const place = (name: string): number => quantities.findIndex((quantity) => quantity.name === name)
const POSITION = ['latitude', 'longitude', 'position_accuracy'] as const

/** One sample with these values: what is left of it, and what was rejected. */
function judged(values: Readonly<Record<string, number>>, channel?: string) {
  const samples = new SampleColumns(channel)
  samples.begin(1)
  for (const [quantity, { name }] of quantities.entries()) {
    if (values[name] === undefined) samples.absent(quantity)
    else samples.column(quantity)[0] = values[name]
  }
  samples.judgePositions()
  samples.excludeEmpty()
  const left = quantities.flatMap(({ name }, quantity) => (Number.isNaN(samples.values[quantity]?.[0] ?? Number.NaN) ? [] : [name]))
  return { left, rejected: samples.rejections, empty: samples.isEmpty() }
}

describe('a position', () => {
  it('is whole, or its parts are rejected: the detail names what is missing', () => {
    expect(judged({ latitude: 1, longitude: 2, position_accuracy: 3 }).left).to.deep.equal(['latitude', 'longitude', 'position_accuracy'])
    const half = judged({ latitude: 45.5, temperature: 20 })
    expect(half.left).to.deep.equal(['temperature'])
    expect(half.rejected).to.deep.equal([
      {
        reason: 'incomplete-position',
        detail: 'latitude is 45.5 in a sample without a valid longitude',
        samples: [0],
        quantities: ['latitude'],
      },
    ])
  })

  it('takes its accuracy along: an accuracy without a position says nothing', () => {
    expect(judged({ position_accuracy: 3 })).to.deep.include({ left: [], empty: true })
    expect(judged({ longitude: 3, position_accuracy: 3 }).rejected.map(({ detail }) => detail)).to.deep.equal([
      'longitude is 3 in a sample without a valid latitude',
      'position_accuracy is 3 in a sample without a valid latitude',
    ])
  })

  it('of a channel is named with the channel', () => {
    expect(judged({ latitude: 1 }, 'roof').rejected[0]?.quantities).to.deep.equal(['roof/latitude'])
  })

  it('is never left in half, and nothing else is touched, whatever a sample has', () => {
    fc.assert(
      fc.property(fc.subarray([...POSITION, 'temperature', 'altitude']), (names) => {
        const { left, rejected } = judged(Object.fromEntries(names.map((name) => [name, 1])))
        expect(left.includes('latitude')).to.equal(left.includes('longitude'))
        if (left.includes('position_accuracy')) expect(left).to.include('latitude')
        for (const name of ['temperature', 'altitude'] as const) expect(left.includes(name)).to.equal(names.includes(name))
        expect(left.length + rejected.length).to.equal(names.length)
      }),
    )
  })

  it('has its place among the quantities', () => {
    for (const name of POSITION) expect(place(name), name).to.be.at.least(0)
  })
})
