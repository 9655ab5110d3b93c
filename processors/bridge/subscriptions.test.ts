import { expect } from 'chai'
import fc from 'fast-check'
import { covers, overlap, Subscriptions, widest } from './subscriptions.ts'

describe('the subscriptions of a session', () => {
  for (const [wide, narrow, expected] of [
    ['#', 'a/b', true],
    ['#', '$SYS/b', false],
    ['+/b', '$SYS/b', false],
    ['$SYS/#', '$SYS/b', true],
    ['a/#', 'a', true],
    ['a/#', 'a/+/c', true],
    ['a/+', 'a/b', true],
    ['a/+', 'a/#', false],
    ['a/+', 'a/b/c', false],
    ['a/b', 'a/+', false],
    ['+/+', 'a/+', true],
    ['a/', 'a', false],
    ['a/+', 'a/', true],
  ] as const) {
    it(`say that ${wide} ${expected ? 'covers' : 'does not cover'} ${narrow}`, () => {
      expect(covers(wide, narrow)).to.equal(expected)
    })
  }

  const level = fc.constantFrom('a', 'b', '+')
  const filter = fc
    .tuple(fc.array(level, { minLength: 1, maxLength: 3 }), fc.boolean())
    .map(([levels, rest]) => [...levels, ...(rest ? ['#'] : [])].join('/'))
  const topic = fc.array(fc.constantFrom('a', 'b'), { minLength: 1, maxLength: 4 }).map((levels) => levels.join('/'))

  it('call those overlapping that one topic can match, and cover what they cover for every topic', () => {
    const below = (name: string): string[] => (name.length > 6 ? [name] : [name, ...below(`${name}/a`), ...below(`${name}/b`)])
    const topics = ['a', 'b'].flatMap(below)
    fc.assert(
      fc.property(filter, filter, (one, other) => {
        const both = topics.filter((each) => covers(one, each) && covers(other, each))
        expect(overlap(one, other)).to.equal(both.length > 0)
        if (covers(one, other)) expect(both).to.deep.equal(topics.filter((each) => covers(other, each)))
      }),
      { numRuns: 1_000 },
    )
  })

  it('leave out what another filter covers, and what is there twice', () => {
    expect(widest(['devices/+/telemetry', 'devices/+/status', 'devices/+/telemetry', 'tele/#', 'tele/+/STATE'])).to.deep.equal([
      'devices/+/telemetry',
      'devices/+/status',
      'tele/#',
    ])
    expect(widest(['a/b', '#'])).to.deep.equal(['#'])
  })

  it('need no identifiers unless two overlap', () => {
    const subscriptions = new Subscriptions()
    expect(subscriptions.change(['a/+', 'b/+'], 1).identified).to.equal(false)
    expect(subscriptions.change(['a/+', '+/b'], 2).identified).to.equal(true)
  })

  it('do not take what a filter brought in its first life for a copy in its second', () => {
    const subscriptions = new Subscriptions()
    const [, first] = subscriptions.change(['+', 'a/#'], 1).subscribe
    subscriptions.change(['a'], 2)
    subscriptions.change(['+/a/b', 'a/#'], 3)
    for (const each of ['+/a/b', 'a/#']) subscriptions.granted(each)
    expect(subscriptions.isCopy('a/a/b', [first?.identifier ?? 0], false)).to.equal(false)
  })

  it('say what to unsubscribe until that is done, also of an earlier process', () => {
    const subscriptions = new Subscriptions([
      { filter: 'old/+', identifier: 1 },
      { filter: 'a/+', identifier: 2 },
    ])
    expect(subscriptions.change(['a/+', 'b'], 1).unsubscribe).to.deep.equal(['old/+'])
    const filters = (): readonly string[] => subscriptions.all.map(({ filter: each }) => each)
    expect(filters()).to.deep.equal(['a/+', 'b', 'old/+'])
    expect(subscriptions.change(['b'], 2).unsubscribe).to.have.members(['old/+', 'a/+'])
    subscriptions.unsubscribed(['old/+', 'a/+'])
    expect(filters()).to.deep.equal(['b'])
  })

  it('take retained messages of a filter that is new, though an older one matches: it had them long ago', () => {
    const subscriptions = new Subscriptions([{ filter: 'a/+', identifier: 1 }])
    const [, added] = subscriptions.change(['a/+', '+/b', '+/+/c', 'x/#'], 1).subscribe
    for (const each of ['+/b', '+/+/c', 'x/#']) subscriptions.granted(each)
    expect(subscriptions.isCopy('a/b', [added?.identifier ?? 0], true)).to.equal(false)
    expect(subscriptions.isCopy('a/b', [added?.identifier ?? 0], false)).to.equal(true)
  })

  interface Copy {
    readonly number: number
    readonly topic: string
    readonly identifiers: readonly number[]
  }

  /** What a broker does: a copy for each matching subscription, or one for all of them. */
  class Broker {
    readonly subscribed = new Map<string, number | undefined>()
    readonly queue: Copy[] = []
    readonly published = new Map<number, number>()
    private readonly merges: boolean

    constructor(merges: boolean) {
      this.merges = merges
    }

    publish(name: string): void {
      const number = this.published.size
      const matching = [...this.subscribed].filter(([each]) => covers(each, name)).map(([, identifier]) => identifier)
      this.published.set(number, matching.length)
      const known = matching.filter((identifier) => identifier !== undefined)
      if (matching.length > 0 && this.merges) this.queue.push({ number, topic: name, identifiers: known })
      else
        for (const identifier of matching)
          this.queue.push({ number, topic: name, identifiers: identifier === undefined ? [] : [identifier] })
    }
  }

  const step = fc.oneof(
    { weight: 6, arbitrary: fc.record({ publish: topic }) },
    { weight: 3, arbitrary: fc.record({ deliver: fc.integer({ min: 1, max: 5 }) }) },
    { weight: 1, arbitrary: fc.record({ change: fc.array(filter, { minLength: 1, maxLength: 4 }), during: topic }) },
    { weight: 1, arbitrary: fc.record({ restart: fc.array(filter, { minLength: 1, maxLength: 4 }), during: topic }) },
  )

  it('lose no message, whatever is published between changes and restarts, and double none without them', () => {
    fc.assert(
      fc.property(
        fc.boolean(),
        fc.array(filter, { minLength: 1, maxLength: 4 }),
        fc.array(step, { maxLength: 40 }),
        (merges, first, steps) => {
          const broker = new Broker(merges)
          const taken = new Map<number, number>()
          let subscriptions = new Subscriptions()
          let epoch = 0
          const deliver = (count: number): void => {
            for (const { number, topic: name, identifiers } of broker.queue.splice(0, count))
              if (identifiers.length === 0 || !subscriptions.isCopy(name, identifiers, false))
                taken.set(number, (taken.get(number) ?? 0) + 1)
          }
          const change = (wanted: readonly string[], during?: string): void => {
            const { subscribe, identified, unsubscribe } = subscriptions.change(wanted, epoch++)
            for (const { filter: each, identifier } of subscribe) {
              broker.subscribed.set(each, identified ? identifier : undefined)
              if (during !== undefined) broker.publish(during)
              subscriptions.granted(each)
              deliver(1)
            }
            for (const each of unsubscribe) {
              if (during !== undefined) broker.publish(during)
              deliver(1)
              broker.subscribed.delete(each)
            }
            subscriptions.unsubscribed(unsubscribe)
          }
          change(first)
          for (const each of steps) {
            if ('publish' in each) broker.publish(each.publish)
            else if ('deliver' in each) deliver(each.deliver)
            else if ('change' in each) change(each.change, each.during)
            else {
              subscriptions = new Subscriptions(subscriptions.all)
              change(each.restart, each.during)
            }
          }
          deliver(Number.POSITIVE_INFINITY)
          const steady = steps.every((each) => 'publish' in each || 'deliver' in each)
          for (const [number, matching] of broker.published) {
            const times = taken.get(number) ?? 0
            expect(times > 0, `message ${number}`).to.equal(matching > 0)
            if (steady) expect(times).to.equal(Math.min(1, matching))
          }
        },
      ),
      { numRuns: 3_000 },
    )
  })
})
