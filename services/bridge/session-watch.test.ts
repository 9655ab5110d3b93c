import { mock } from 'node:test'
import { expect } from 'chai'
import type { BrokerUptime, RememberedSession } from '../../processors/bridge/session.ts'
import type { Subscription } from '../../processors/bridge/subscriptions.ts'
import { createSessionWatch, type SessionWatch } from './session-watch.ts'

const START_MS = 1_000_000

describe('the watch over the session of the bridge', () => {
  let uptime: BrokerUptime | undefined
  let health: Map<string, string>
  let said: string[]
  let written: RememberedSession[]
  let watch: SessionWatch

  beforeEach(async () => {
    mock.timers.enable({ apis: ['setInterval', 'setTimeout', 'Date'], now: START_MS })
    uptime = undefined
    health = new Map()
    said = []
    written = []
    const note =
      (level: string) =>
      (what: string): void =>
        void said.push(`${level}: ${what}`)
    watch = createSessionWatch({
      clientId: 'bridge',
      broker: 'mqtt://a:1',
      expirySeconds: 60,
      memory: { before: Promise.resolve(undefined), remember: (session) => void written.push(session) },
      dropped: () => undefined,
      uptime: () => uptime,
      health: { set: (part, what) => void (what === null ? health.delete(part) : health.set(part, what)) },
      log: { info: note('info'), warn: note('warn'), error: note('error') },
    })
    await watch.connected(true)
  })

  afterEach(async () => {
    await watch[Symbol.asyncDispose]()
    mock.timers.reset()
  })

  const hear = (seconds: number): void => {
    uptime = { seconds, heardMs: Date.now() }
  }

  /** The broker ends the connection without a word, and takes the next one a moment later. */
  async function endWithoutAWord(): Promise<void> {
    watch.disconnected()
    mock.timers.tick(500)
    watch.takenOver(false)
    await watch.connected(true)
  }

  const counted = (): readonly number[] => [watch.counters.takeovers, watch.counters.restarts, watch.counters.unexplained]

  it('does not take a broker that was restarted for another client: health says nothing, the log does', async () => {
    hear(3_000)
    await endWithoutAWord()
    expect([...health]).to.deep.equal([])
    hear(0)
    mock.timers.tick(60_000)
    expect([...health]).to.deep.equal([])
    expect(said).to.deep.equal(['info: the broker has been restarted: that ended the connection without a word'])
    expect(counted()).to.deep.equal([0, 1, 0])
  })

  it('says that another client has connected if the broker has been there all the time', async () => {
    hear(3_000)
    mock.timers.tick(5_000)
    await endWithoutAWord()
    hear(3_000)
    mock.timers.tick(1_000)
    expect(health.get('mqtt session taken over')).to.match(
      /^another client has connected with client ID bridge, it seems: .*not been restarted/,
    )
    expect(counted()).to.deep.equal([1, 0, 0])
    mock.timers.tick(30_000)
    expect([...health]).to.deep.equal([])
  })

  it('says it of a broker that it had not heard before, if that has been there for longer than the connection', async () => {
    mock.timers.tick(5_000)
    await endWithoutAWord()
    hear(3_000)
    mock.timers.tick(1_000)
    expect(counted()).to.deep.equal([1, 0, 0])
  })

  it('does not guess if the broker says nothing of itself: the log and a counter have it, health does not', async () => {
    await endWithoutAWord()
    await endWithoutAWord()
    mock.timers.tick(60_000)
    expect([...health]).to.deep.equal([])
    expect(said).to.have.length(1)
    expect(said[0]).to.match(/^warn: .*either another client .* or .*restarted/)
    expect(counted()).to.deep.equal([0, 0, 2])
  })

  it('waits for the next word of a broker that was young already', async () => {
    hear(2)
    mock.timers.tick(5_000)
    await endWithoutAWord()
    hear(2)
    mock.timers.tick(2_000)
    expect(counted()).to.deep.equal([0, 0, 0])
    mock.timers.tick(2_500)
    hear(12)
    mock.timers.tick(1_000)
    expect(counted()).to.deep.equal([1, 0, 0])
  })

  it('remembers the filters of a session, also before it is up, and takes no new session for a lost one because of it', async () => {
    await watch[Symbol.asyncDispose]()
    const options = {
      clientId: 'bridge',
      broker: 'mqtt://a:1',
      expirySeconds: 60,
      dropped: () => undefined,
      uptime: () => undefined,
      health: { set: (part: string, what: string | null) => void (what === null ? health.delete(part) : health.set(part, what)) },
      log: { info: () => undefined, warn: () => undefined, error: () => undefined },
    }
    const open = (before: RememberedSession | undefined): SessionWatch =>
      createSessionWatch({ ...options, memory: { before: Promise.resolve(before), remember: (session) => void written.push(session) } })
    watch = open(undefined)
    const [a, b] = ['a', 'b'].map((filter, identifier) => ({ filter, identifier })) as [Subscription, Subscription]
    const both = [a, b]
    expect(await watch.subscribedBefore()).to.equal(undefined)
    watch.subscribing(both)
    expect(written.at(-1)).to.include({ seenMs: 0 }).and.to.have.deep.property('subscriptions', both)
    await watch.connected(false)
    expect(watch.counters.lost).to.equal(0)
    expect(written.at(-1)).to.have.deep.property('subscriptions', both)
    const last = written.at(-1)
    await watch[Symbol.asyncDispose]()
    watch = open(last)
    expect(await watch.subscribedBefore()).to.deep.equal(both)
    watch.subscribing([b])
    await watch.connected(false)
    expect(watch.counters.lost).to.equal(1)
    expect(written.at(-1)).to.have.deep.property('subscriptions', [b])
  })

  it('believes the broker that says it', () => {
    watch.takenOver(true)
    expect(health.get('mqtt session taken over')).to.match(/the broker says so/)
    expect(counted()).to.deep.equal([1, 0, 0])
  })
})
