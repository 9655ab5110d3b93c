import { expect } from 'chai'
import fc from 'fast-check'
import { WaitBudget } from './wait-budget.ts'

describe('the budget of waits', () => {
  it('bounds the share of the time that anybody waits, however it asks', () => {
    const ask = fc.record({ pauseMs: fc.nat(1_000), waitMs: fc.integer({ min: 1, max: 3_000 }) })
    fc.assert(
      fc.property(fc.array(ask, { maxLength: 200 }), (asks) => {
        const budget = new WaitBudget({ mostMs: 3_000, share: 0.1 })
        let [nowMs, waitedMs] = [0, 0]
        for (const { pauseMs, waitMs } of asks) {
          nowMs += pauseMs
          if (!budget.allows('a', nowMs)) continue
          nowMs += waitMs
          waitedMs += waitMs
          budget.spend('a', waitMs, nowMs)
        }
        // What it had at first, one wait that began with little left, and its share.
        expect(waitedMs).to.be.at.most(3_000 + 3_000 + nowMs * 0.1)
      }),
    )
  })

  it("is everybody's own, and forgets who has not waited for the longest time", () => {
    const budget = new WaitBudget({ mostMs: 100, share: 0.1 }, 2)
    for (const name of ['a', 'b', 'c']) budget.spend(name, 100, 0)
    expect(['a', 'b', 'c', 'd'].map((name) => budget.allows(name, 0))).to.deep.equal([true, false, false, true])
  })
})
