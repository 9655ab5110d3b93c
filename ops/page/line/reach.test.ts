import { expect } from 'chai'
import { createReach } from './reach.ts'

describe('whether somebody answers', () => {
  const explain = (cause: unknown): string => (cause as Error).message

  it('is what the last question came to', async () => {
    const answers = [Promise.resolve(), Promise.reject(new Error('refused')), Promise.resolve()]
    const reach = createReach(() => answers.shift() ?? Promise.resolve(), explain)
    expect([await reach.look(), await reach.look(), await reach.look()]).to.deep.equal([undefined, 'refused', undefined])
  })

  it('is no while a question is not answered, and no other one is asked', async function () {
    this.timeout(10_000)
    let [asked, nowMs] = [0, 0]
    let done: () => void = () => undefined
    const ask = (): Promise<void> => {
      asked++
      return new Promise((resolve) => {
        done = resolve
      })
    }
    const reach = createReach(ask, explain, () => nowMs)
    expect(await reach.look()).to.equal('no answer for 1 s')
    nowMs = 7_000
    expect(await reach.look()).to.equal('no answer for 7 s')
    expect(asked).to.equal(1)
    done()
    expect(await reach.look().then(() => asked)).to.be.within(1, 2)
  })
})
