import { expect } from 'chai'
import { LiveWindow } from './live-window.ts'

const reading = (ts: number) => ({ deviceId: 'hive', ts, values: { temperature: ts } })
const times = (window: LiveWindow): readonly number[] => window.state().readings.map(({ ts }) => ts)

describe('the window of live readings', () => {
  it('has what came in the last seconds, and says which these are', () => {
    const window = new LiveWindow({ keepMs: 5_000, most: 100 }, 7)
    expect(window.state()).to.deep.equal({ first: 0, next: 0, generation: 7, readings: [] })
    window.add([reading(1), reading(2)], 0)
    window.add([reading(3)], 4_999)
    expect(times(window)).to.deep.equal([1, 2, 3])
    window.add([], 5_000)
    expect(window.state()).to.deep.include({ first: 2, next: 3 })
    expect(times(window)).to.deep.equal([3])
  })

  it('keeps the newest of too many, so that a browser sees that it missed some', () => {
    const window = new LiveWindow({ keepMs: 5_000, most: 2 }, 0)
    window.add([reading(1), reading(2), reading(3)], 0)
    expect(window.state()).to.deep.include({ first: 1, next: 3 })
    expect(times(window)).to.deep.equal([2, 3])
  })

  it('is of another generation if readings were passed over', () => {
    const window = new LiveWindow({ keepMs: 5_000, most: 2 }, 3)
    window.skip()
    expect(window.state().generation).to.equal(4)
  })
})
