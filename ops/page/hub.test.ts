import { EventEmitter, once } from 'node:events'
import { setTimeout as delay } from 'node:timers/promises'
import { expect } from 'chai'
import { createHub, type EventStream, type Hub, type HubLimits } from './hub.ts'
import type { Frame } from './messages.ts'
import type { Channel, Feed } from './section.ts'

/** A browser that reads, or not. */
class Browser extends EventEmitter implements EventStream {
  text = ''
  slow = false
  ended = false
  destroyed = false

  write(text: string): boolean {
    this.text += text
    return !this.slow
  }

  end(): void {
    this.ended = true
    this.emit('close')
  }

  destroy(): void {
    this.destroyed = true
    this.emit('close')
  }

  get frames(): readonly Frame[] {
    return [...this.text.matchAll(/^data: (.*)$/gm)].map(([, data = '']) => JSON.parse(data) as Frame)
  }

  get lastId(): string {
    return [...this.text.matchAll(/^id: (.*)$/gm)].at(-1)?.[1] ?? ''
  }
}

/** A feed that publishes what the test tells it to. */
class Told implements Feed {
  readonly name: string
  readonly parameter?: true
  runs = 0
  channel: Channel | undefined
  fail: (cause: Error) => void = () => undefined

  constructor(name: string, parameter?: true) {
    this.name = name
    if (parameter) this.parameter = parameter
  }

  async run(channel: Channel): Promise<void> {
    this.runs++
    this.channel = channel
    await Promise.race([
      once(channel.signal, 'abort'),
      new Promise((_, reject) => {
        this.fail = reject
      }),
    ])
  }
}

describe('the stream of the page', () => {
  let hub: Hub
  const open = (feeds: readonly Feed[], limits: Partial<HubLimits> = {}): Hub => {
    hub = createHub({ feeds, explain: (cause) => (cause as Error).message, limits: { lingerMs: 0, againMs: 5, ...limits } })
    return hub
  }
  const settled = (): Promise<void> => delay(20)
  afterEach(() => hub[Symbol.asyncDispose]())

  it('says when to come back, and gives each event an ID', async () => {
    const feed = new Told('line')
    const browser = new Browser()
    expect(open([feed]).connect(browser, ['line'])).to.equal('connected')
    await settled()
    feed.channel?.publish({ rows: 1 })
    expect(browser.text).to.match(/^retry: 1000\n\nid: [0-9a-f]{8}-1\ndata: {"channel":"line","state":{"rows":1}}\n\n$/)
  })

  it('runs a feed once for all browsers, only while one looks, and encodes an event once', async () => {
    const feed = new Told('line')
    let encoded = 0
    open([feed], { lingerMs: 5 })
    await settled()
    expect(feed.runs).to.equal(0)
    const browsers = Array.from({ length: 20 }, () => new Browser())
    for (const browser of browsers) hub.connect(browser, ['line'])
    await settled()
    feed.channel?.publish({ toJSON: () => ++encoded })
    expect([feed.runs, encoded]).to.deep.equal([1, 1])
    for (const browser of browsers) expect(browser.frames).to.deep.equal([{ channel: 'line', state: 1 }])
    for (const browser of browsers) browser.destroy()
    expect(feed.channel?.signal.aborted).to.equal(false)
    await settled()
    expect(feed.channel?.signal.aborted).to.equal(true)
    hub.connect(new Browser(), ['line'])
    await settled()
    expect(feed.runs).to.equal(2)
  })

  it('goes on if a tab comes back soon', async () => {
    const feed = new Told('line')
    open([feed], { lingerMs: 50 })
    const [first, second] = [new Browser(), new Browser()]
    hub.connect(first, ['line'])
    await settled()
    feed.channel?.publish('known')
    first.destroy()
    hub.connect(second, ['line'])
    await delay(80)
    expect(feed.runs).to.equal(1)
    expect(second.frames).to.deep.equal([{ channel: 'line', state: 'known' }])
  })

  it('queues nothing for a browser that is slow, and sends it the newest state once it reads again', async () => {
    const feed = new Told('line')
    open([feed])
    const [slow, quick] = [new Browser(), new Browser()]
    for (const each of [slow, quick]) hub.connect(each, ['line'])
    await settled()
    slow.slow = true
    for (let state = 1; state <= 1_000; state++) feed.channel?.publish(state)
    expect(slow.frames).to.have.length(1)
    expect(quick.frames).to.have.length(1_000)
    slow.slow = false
    slow.emit('drain')
    expect(slow.frames.map(({ state }) => state)).to.deep.equal([1, 1_000])
  })

  it('disconnects a browser that never reads', async () => {
    const feed = new Told('line')
    open([feed], { heartbeatMs: 5, stuckMs: 10 })
    const browser = new Browser()
    browser.slow = true
    hub.connect(browser, ['line'])
    await delay(60)
    expect(browser.destroyed).to.equal(true)
    expect(hub.clients).to.equal(0)
  })

  it('sends a browser that was away only what is newer than what it had', async () => {
    const feed = new Told('line')
    open([feed], { lingerMs: 100 })
    const before = new Browser()
    hub.connect(before, ['line'])
    await settled()
    feed.channel?.publish('old')
    before.destroy()
    const [nothingNew, another] = [new Browser(), new Browser()]
    hub.connect(nothingNew, ['line'], before.lastId)
    hub.connect(another, ['line'], 'ffffffff-999')
    expect(nothingNew.frames).to.deep.equal([])
    expect(another.frames).to.deep.equal([{ channel: 'line', state: 'old' }])
  })

  it('says what is wrong and since when while a feed fails, and runs it again', async () => {
    const feed = new Told('line')
    open([feed])
    const browser = new Browser()
    hub.connect(browser, ['line'])
    await settled()
    feed.fail(new Error('Kafka is away'))
    await settled()
    feed.fail(new Error('Kafka is still away'))
    await settled()
    feed.channel?.publish('back')
    const [first, second, third] = browser.frames
    expect(first?.problem?.text).to.equal('Kafka is away')
    expect(second?.problem).to.deep.equal({ text: 'Kafka is still away', since: first?.problem?.since })
    expect(third).to.deep.equal({ channel: 'line', state: 'back' })
    expect(feed.runs).to.equal(3)
  })

  it('says that there is no answer if a feed is silent for long, until it publishes again', async () => {
    const feed = Object.assign(new Told('line'), { silentMs: 10 })
    open([feed])
    const browser = new Browser()
    hub.connect(browser, ['line'])
    const began = Date.now()
    await delay(40)
    const [silent] = browser.frames
    expect(silent?.problem?.text).to.equal('there is no answer yet')
    expect(Date.parse(silent?.problem?.since ?? '')).to.be.within(began - 5, began + 30)
    feed.channel?.publish('at last')
    expect(browser.frames.at(-1)).to.deep.equal({ channel: 'line', state: 'at last' })
  })

  it('hands a feed its parameter, whatever is in it', async () => {
    const feed = new Told('device', true)
    open([feed])
    const browser = new Browser()
    const name = '=1+1:\n\nevent: x\ndata: <b>'
    hub.connect(browser, [`device:${name}`])
    await settled()
    expect(feed.channel?.parameter).to.equal(name)
    feed.channel?.publish(1)
    expect(browser.frames).to.deep.equal([{ channel: `device:${name}`, state: 1 }])
    expect(browser.text).to.not.match(/^event:/m)
  })

  it('knows its channels, and refuses too many', () => {
    open([new Told('line'), new Told('device', true)], { clients: 2, channels: 2, parameter: 8 })
    const connect = (...channels: readonly string[]): string => hub.connect(new Browser(), channels)
    expect(connect('nothing')).to.equal('unknown')
    expect(connect('line:x')).to.equal('unknown')
    expect(connect('device')).to.equal('unknown')
    expect(connect('device:123456789')).to.equal('unknown')
    expect(connect('device:1', 'device:2', 'device:3')).to.equal('unknown')
    expect(connect('device:1', 'device:2')).to.equal('connected')
    expect(connect('line')).to.equal('connected')
    expect(connect('line')).to.equal('full')
  })

  it('ends every stream and every feed when it is disposed of', async () => {
    const feed = new Told('line')
    open([feed])
    const [reading, stuck] = [new Browser(), new Browser()]
    for (const each of [reading, stuck]) hub.connect(each, ['line'])
    await settled()
    stuck.slow = true
    feed.channel?.publish(1)
    await hub[Symbol.asyncDispose]()
    expect([reading.ended, stuck.destroyed, feed.channel?.signal.aborted, hub.clients]).to.deep.equal([true, true, true, 0])
  })
})
