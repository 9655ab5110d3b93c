import { EventEmitter } from 'node:events'
import { setTimeout as delay } from 'node:timers/promises'
import { expect } from 'chai'
import type { Session } from '../../../connectors/postgres/session.ts'
import { createHub, type EventStream } from '../hub.ts'
import type { Frame } from '../messages.ts'
import { siteLiveFeed } from './feeds.ts'
import type { LiveTail, TailedReadings } from './live-tail.ts'

const BROWSERS = 20
const MORE_THAN_SHOWN = 301

/** What a browser has read. */
class Browser extends EventEmitter implements EventStream {
  readonly frames: Frame[] = []

  write(text: string): boolean {
    for (const [, data = ''] of text.matchAll(/^data: (.*)$/gm)) this.frames.push(JSON.parse(data) as Frame)
    return true
  }

  end(): void {
    this.emit('close')
  }

  destroy(): void {
    this.emit('close')
  }
}

/** A tail that tells what the test gives it. */
class Told implements LiveTail {
  readonly followed: (() => readonly string[])[] = []
  tell: (came: TailedReadings) => void = () => undefined

  async follow(devices: () => readonly string[], take: (came: TailedReadings) => void, signal: AbortSignal): Promise<void> {
    this.followed.push(devices)
    this.tell = take
    await new Promise((resolve) => signal.addEventListener('abort', resolve))
  }

  async [Symbol.asyncDispose](): Promise<void> {}
}

describe('the live readings of a site', () => {
  let asked: string[]
  const rows = (what: string): unknown[] =>
    what === 'listing sites' ? [{ id: '7' }] : Array.from({ length: MORE_THAN_SHOWN }, (_, at) => ({ id: `hall-${at}` }))
  const session = {
    query: async (what: string) => {
      asked.push(what)
      return rows(what)
    },
  } as unknown as Session
  const sessions = {
    app: async <Found>(work: (given: Session) => Promise<Found>) => await work(session),
    telemetry: () => Promise.reject(),
  }
  const until = async (holds: () => boolean): Promise<void> => {
    for (const end = Date.now() + 5_000; !holds(); await delay(1)) if (Date.now() > end) throw new Error('it did not come')
  }

  beforeEach(() => {
    asked = []
  })

  it('are followed and asked for once, however many look, for no more devices than are shown', async () => {
    const tail = new Told()
    await using hub = createHub({ feeds: [siteLiveFeed(sessions, tail)], explain: String })
    const browsers = Array.from({ length: BROWSERS }, () => new Browser())
    for (const browser of browsers) hub.connect(browser, ['site-live:7'])
    await until(() => tail.followed.length > 0)
    const hour = 3_600_000
    const reading = (ts: number, temperature: number) => ({ deviceId: 'hall-1', ts, values: { temperature } })
    const now = Date.now()
    tail.tell({ readings: [reading(now, 21), reading(now + 2 * hour, 99)], skipped: false })
    await until(() => browsers.every(({ frames }) => frames.length > 0))
    for (const { frames } of browsers) expect(frames).to.deep.equal([{ channel: 'site-live:7', state: { readings: [reading(now, 21)] } }])
    expect(tail.followed.map((devices) => devices().length)).to.deep.equal([MORE_THAN_SHOWN - 1])
    expect(asked).to.deep.equal(['listing sites', 'looking for devices'])
  })

  it('come together if they come fast', async () => {
    const tail = new Told()
    await using hub = createHub({ feeds: [siteLiveFeed(sessions, tail)], explain: String })
    const browser = new Browser()
    hub.connect(browser, ['site-live:7'])
    await until(() => tail.followed.length > 0)
    const began = performance.now()
    for (let ts = 1; ts <= 200; ts++) {
      tail.tell({ readings: [{ deviceId: `hall-${ts}`, ts, values: { temperature: ts } }], skipped: false })
      await delay(1)
    }
    const newest = (): number => (browser.frames.at(-1)?.state as { readings: unknown[] } | undefined)?.readings.length ?? 0
    await until(() => newest() === 200)
    expect(browser.frames.length).to.be.at.most(2 + (performance.now() - began) / 250)
  })

  it('are of no site if there is none', async () => {
    await using hub = createHub({ feeds: [siteLiveFeed(sessions, new Told())], explain: (cause) => (cause as Error).message })
    const browser = new Browser()
    hub.connect(browser, ['site-live:x'])
    await until(() => browser.frames.length > 0)
    expect(browser.frames[0]?.problem?.text).to.equal('there is no site "x"')
    expect(asked).to.deep.equal([])
  })
})
