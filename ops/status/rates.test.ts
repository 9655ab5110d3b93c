import { expect } from 'chai'
import { createRates } from './rates.ts'

const figure = (value: number | undefined): ReadonlyMap<string, number | undefined> => new Map([['rows', value]])

describe('rates', () => {
  it('are unknown until there are two looks', () => {
    const rates = createRates(5_000)
    expect(rates.perSecond('rows')).to.equal(undefined)
    rates.add(0, figure(100))
    expect(rates.perSecond('rows')).to.equal(undefined)
    rates.add(1_000, figure(150))
    expect(rates.perSecond('rows')).to.equal(50)
  })

  it('are taken over the window, not over all time', () => {
    const rates = createRates(2_000)
    rates.add(0, figure(0))
    for (let second = 1; second <= 10; second++) rates.add(second * 1_000, figure(1_000_000 + second * 10))
    expect(rates.perSecond('rows')).to.equal(10)
  })

  it('skip looks at which the part could not be asked, and are unknown while it cannot', () => {
    const rates = createRates(5_000)
    rates.add(0, figure(0))
    rates.add(1_000, figure(undefined))
    expect(rates.perSecond('rows')).to.equal(undefined)
    rates.add(2_000, figure(20))
    expect(rates.perSecond('rows')).to.equal(10)
  })

  it('start anew where a counter went back, as after a restart', () => {
    const rates = createRates(10_000)
    rates.add(0, figure(5_000))
    rates.add(1_000, figure(10))
    expect(rates.perSecond('rows')).to.equal(undefined)
    rates.add(2_000, figure(40))
    expect(rates.perSecond('rows')).to.equal(30)
  })

  it('tell a figure that stands still from one that is not known', () => {
    const rates = createRates(5_000)
    rates.add(0, figure(7))
    rates.add(1_000, figure(7))
    expect(rates.perSecond('rows')).to.equal(0)
    expect(rates.perSecond('frames')).to.equal(undefined)
  })
})
