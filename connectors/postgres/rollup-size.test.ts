import { expect } from 'chai'
import { rollupSizes } from './rollup-size.ts'

/** Sizes of so many transactions, if each takes so long. */
function sizes(turns: number, tookMs: (hours: number, turn: number) => number, waiting = 100_000): readonly number[] {
  const next = rollupSizes()
  const chosen: number[] = []
  let size = next()
  for (let turn = 0; turn < turns; turn++) {
    chosen.push(size)
    const done = Math.min(size, waiting)
    size = next({ asked: size, done, tookMs: tookMs(done, turn) })
  }
  return chosen
}

describe('how many hours a transaction of the roll-ups takes', () => {
  it('grows as long as it is quick', () => {
    expect(sizes(7, (hours) => hours * 0.1)).to.deep.equal([20, 40, 80, 160, 320, 500, 500])
  })

  it('falls to one if that takes long for its readings', () => {
    const chosen = sizes(60, (hours) => hours * 800)
    expect(chosen.slice(0, 5)).to.deep.equal([20, 10, 5, 2, 1])
    expect(Math.max(...chosen.slice(5))).to.equal(1)
  })

  it('does not fall if a transaction takes long whatever it takes, as with 1,500 chunks: the job did one hour in 7 s then, and never caught up', () => {
    for (const noise of [0, 0.1]) {
      const chosen = sizes(60, (hours, turn) => 2_250 * (1 + noise * Math.sin(turn * 7)) + 10 * hours)
      const last = chosen.slice(-30)
      expect(last.reduce((sum, size) => sum + size, 0) / last.length, `noise ${noise}: ${chosen.join(' ')}`).to.be.greaterThan(100)
    }
  })

  it('grows again once hours have few readings', () => {
    const chosen = sizes(60, (hours, turn) => (turn < 20 ? hours * 800 : 200 + hours))
    expect(chosen[19]).to.equal(1)
    expect(chosen.at(-1)).to.be.greaterThan(50)
  })

  it('stays if there was nothing to do', () => {
    expect(sizes(4, () => 5, 0)).to.deep.equal([20, 20, 20, 20])
  })
})
