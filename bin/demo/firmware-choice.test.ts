import { expect } from 'chai'
import { firmwareFor } from './firmware-choice.ts'

const measures = (id: string, ...standards: readonly string[]) => ({ id, metrics: standards.map((standard) => ({ standard })) })

const firmwares = [
  measures('hive-2', 'temperature', 'humidity', 'weight'),
  measures('hive-1', 'temperature', 'humidity'),
  measures('plant-1', 'temperature', 'power'),
]

describe('the firmware for a file', () => {
  it('is the smallest that measures all its quantities', () => {
    expect(firmwareFor(['humidity', 'temperature'], firmwares)?.id).to.equal('hive-1')
    expect(firmwareFor(['weight'], firmwares)?.id).to.equal('hive-2')
    expect(firmwareFor(['temperature'], firmwares)?.id).to.equal('hive-1')
  })

  it('is none where no firmware measures them all', () => {
    expect(firmwareFor(['power', 'weight'], firmwares)).to.equal(undefined)
  })
})
