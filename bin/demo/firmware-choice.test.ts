import { expect } from 'chai'
import { firmwaresFor } from './firmware-choice.ts'

const measures = (id: string, ...standards: readonly string[]) => ({ id, metrics: standards.map((standard) => ({ standard })) })

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

  it('are none if no firmware measures them all', () => {
    expect(ids('power', 'weight')).to.deep.equal([])
  })
})
