import { expect } from 'chai'
import { NewestWindow } from './newest-window.ts'

const reading = (deviceId: string, ts: number, values: Readonly<Record<string, number>>) => ({ deviceId, ts, values })

describe('the window of newest values', () => {
  it('has the newest value of each quantity and device, and forgets what came seconds ago', () => {
    const window = new NewestWindow({ keepMs: 5_000, most: 100 })
    expect(window.state()).to.deep.equal({ readings: [] })
    window.add([reading('a', 10, { temperature: 1, humidity: 50 }), reading('a/door', 10, { temperature: 2 })], 0)
    window.add([reading('a', 20, { temperature: 3 }), reading('a', 15, { temperature: 4 }), reading('b', 20, { temperature: 5 })], 1_000)
    expect(window.state().readings).to.have.deep.members([
      reading('a', 10, { humidity: 50 }),
      reading('a/door', 10, { temperature: 2 }),
      reading('a', 20, { temperature: 3 }),
      reading('b', 20, { temperature: 5 }),
    ])
    window.add([reading('a/door', 30, { temperature: 6 })], 5_000)
    expect(window.state().readings).to.have.deep.members([
      reading('a', 20, { temperature: 3 }),
      reading('b', 20, { temperature: 5 }),
      reading('a/door', 30, { temperature: 6 }),
    ])
  })

  it('keeps no more than so many, whatever names a device makes up for its channels', () => {
    const window = new NewestWindow({ keepMs: 5_000, most: 10 })
    for (let number = 0; number < 1_000; number++) window.add([reading(`a/${number}`, number, { temperature: number })], 0)
    expect(window.size).to.equal(10)
    expect(window.state().readings.at(-1)).to.deep.equal(reading('a/999', 999, { temperature: 999 }))
  })
})
