import { expect } from 'chai'
import { firmwaresFor } from './firmware-choice.ts'

const measures = (id: string, ...standards: readonly string[]) => ({
  id,
  metrics: standards.map((standard) => ({ standard, channel: null })),
})

const firmwares = [
  measures('hive-2', 'temperature', 'humidity', 'weight'),
  measures('hive-1', 'temperature', 'humidity'),
  measures('plant-1', 'temperature', 'power'),
]

describe('the firmwares for a file', () => {
  const ids = (...quantities: readonly string[]): readonly string[] => firmwaresFor(quantities, firmwares).map(({ id }) => id)

  it('are those that measure all its quantities, the smallest first', () => {
    expect(ids('humidity', 'temperature')).to.deep.equal(['hive-1', 'hive-2'])
    expect(ids('weight')).to.deep.equal(['hive-2'])
    expect(ids('temperature')).to.deep.equal(['hive-1', 'plant-1', 'hive-2'])
  })

  it('are none whose quantity is one of a channel, unless the file names the channel', () => {
    const probes = { id: 'hive-3', metrics: [{ standard: 'temperature', channel: 'brood' }] }
    expect(firmwaresFor(['temperature'], [probes])).to.deep.equal([])
    expect(firmwaresFor(['brood/temperature'], [probes])).to.deep.equal([probes])
  })

  it('are none if no firmware measures them all', () => {
    expect(ids('power', 'weight')).to.deep.equal([])
  })
})
