import { expect } from 'chai'
import { createAnswerCache } from './answer-cache.ts'

describe('answers for many browsers', () => {
  let now: number
  let asked: string[]
  const make = (name: string) => async (): Promise<string> => {
    asked.push(name)
    return name
  }

  beforeEach(() => {
    now = 0
    asked = []
  })

  it('are made once for all who ask within a moment, also while one is being made', async () => {
    const cached = createAnswerCache<string>(5_000, 10, () => now)
    const both = [cached('a', make('first')), cached('a', make('second'))]
    now = 4_999
    expect(await Promise.all([...both, cached('a', make('third'))])).to.deep.equal(['first', 'first', 'first'])
    now = 5_000
    expect(await cached('a', make('fourth'))).to.equal('fourth')
    expect(asked).to.deep.equal(['first', 'fourth'])
  })

  it('are not kept if they failed, and the oldest goes if there are too many', async () => {
    const cached = createAnswerCache<string>(5_000, 2, () => now)
    const failed = cached('a', () => Promise.reject(new Error('away'))).catch(() => 'failed')
    expect(await failed).to.equal('failed')
    for (const name of ['a', 'b', 'c', 'a']) await cached(name, make(name))
    expect(asked).to.deep.equal(['a', 'b', 'c', 'a'])
  })
})
