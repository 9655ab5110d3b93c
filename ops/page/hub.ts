import { randomBytes } from 'node:crypto'
import { setTimeout as delay } from 'node:timers/promises'
import type { Frame } from './messages.ts'
import type { Feed } from './section.ts'

/** Where a client's events go: a response of node:http, or what is like it. */
export interface EventStream {
  /** False: whoever reads is slow, and 'drain' says when to go on. */
  write(text: string): boolean
  end(): void
  destroy(): void
  on(event: 'drain' | 'close', heard: () => void): unknown
}

/**
 * Server-sent events for any number of browsers (HTML, 9.2). Each is connected once and names the
 * channels that it wants.
 */
export interface Hub extends AsyncDisposable {
  /**
   * Sends the newest state of these channels now, and each later one.
   * @param lastEventId what the browser had before the connection was lost, if it says
   * @returns `unknown`: there is no such channel; `full`: as many are connected as may be
   */
  connect(stream: EventStream, channels: readonly string[], lastEventId?: string): 'connected' | 'unknown' | 'full'
  readonly clients: number
}

export interface HubOptions {
  readonly feeds: readonly Feed[]
  /** What to say of a failure, for people. */
  readonly explain: (cause: unknown) => string
  readonly limits?: Partial<HubLimits>
}

export interface HubLimits {
  readonly clients: number
  /** Channels of one client. */
  readonly channels: number
  /** Characters of a parameter. */
  readonly parameter: number
  /** A feed goes on for so long after the last client has left: a tab may come back. */
  readonly lingerMs: number
  /** Pause before a feed that failed is run again. */
  readonly againMs: number
  /** A comment goes to everybody so often, so that a connection that is gone is noticed. */
  readonly heartbeatMs: number
  /** A client that has read nothing for so long is disconnected. */
  readonly stuckMs: number
}

const LIMITS: HubLimits = {
  clients: 200,
  channels: 8,
  parameter: 256,
  lingerMs: 5_000,
  againMs: 2_000,
  heartbeatMs: 15_000,
  stuckMs: 60_000,
}
/** Milliseconds after which a browser whose connection was lost comes back. */
const RETRY_MS = 1_000

export function createHub({ feeds, explain, limits: given }: HubOptions): Hub {
  const limits = { ...LIMITS, ...given }
  /** IDs of this hub begin with it: those of one before mean nothing here. */
  const epoch = randomBytes(4).toString('hex')
  const channels = new Map<string, RunningChannel>()
  const clients = new Set<Client>()
  let lastId = 0

  const running = (name: string, feed: Feed): RunningChannel => {
    const known = channels.get(name)
    if (known !== undefined) return known
    const channel = new RunningChannel({
      name,
      feed,
      limits,
      explain,
      encode(frame) {
        const id = ++lastId
        return { id, text: `id: ${epoch}-${id}\ndata: ${JSON.stringify(frame)}\n\n` }
      },
      over: () => channels.delete(name),
    })
    channels.set(name, channel)
    return channel
  }

  const heartbeat = setInterval(() => {
    for (const client of clients) client.beat(limits.stuckMs)
  }, limits.heartbeatMs)
  heartbeat.unref()

  return {
    get clients() {
      return clients.size
    },
    connect(stream, names, lastEventId) {
      const wanted = new Map<string, Feed>()
      for (const name of names) {
        const feed = feedOf(feeds, name, limits)
        if (feed === undefined) return 'unknown'
        wanted.set(name, feed)
      }
      if (wanted.size > limits.channels) return 'unknown'
      if (clients.size >= limits.clients) return 'full'
      const client = new Client(stream)
      clients.add(client)
      const [of, had] = lastEventId?.split('-') ?? []
      const seen = of === epoch ? Number(had) : 0
      stream.write(`retry: ${RETRY_MS}\n\n`)
      const mine = [...wanted].map(([name, feed]) => running(name, feed))
      for (const channel of mine) channel.join(client, seen)
      stream.on('close', () => {
        if (!clients.delete(client)) return
        for (const channel of mine) channel.leave(client)
      })
      return 'connected'
    },
    async [Symbol.asyncDispose]() {
      clearInterval(heartbeat)
      for (const client of clients) client.end()
      await Promise.all([...channels.values()].map((channel) => channel.stop()))
    },
  }
}

function feedOf(feeds: readonly Feed[], channel: string, limits: HubLimits): Feed | undefined {
  const colon = channel.indexOf(':')
  const name = colon === -1 ? channel : channel.slice(0, colon)
  const feed = feeds.find((each) => each.name === name)
  if (feed === undefined || (feed.parameter === true) !== (colon !== -1)) return undefined
  return channel.length - name.length > limits.parameter ? undefined : feed
}

interface Encoded {
  readonly id: number
  readonly text: string
}

/** A browser. Nothing is queued for it: while it is slow, it is only noted what it misses. */
class Client {
  private readonly stream: EventStream
  private slowSince: number | undefined
  private readonly missed = new Set<RunningChannel>()

  constructor(stream: EventStream) {
    this.stream = stream
    stream.on('drain', () => this.goOn())
  }

  send(channel: RunningChannel, { text }: Encoded): void {
    if (this.slowSince !== undefined) {
      this.missed.add(channel)
      return
    }
    if (!this.stream.write(text)) this.slowSince = performance.now()
  }

  beat(stuckMs: number): void {
    if (this.slowSince === undefined) {
      if (!this.stream.write(': \n\n')) this.slowSince = performance.now()
    } else if (performance.now() - this.slowSince >= stuckMs) this.stream.destroy()
  }

  end(): void {
    // One that does not read would never see the end.
    if (this.slowSince === undefined) this.stream.end()
    else this.stream.destroy()
  }

  forget(channel: RunningChannel): void {
    this.missed.delete(channel)
  }

  private goOn(): void {
    this.slowSince = undefined
    const missed = [...this.missed]
    this.missed.clear()
    for (const channel of missed) channel.sendNewest(this)
  }
}

interface ChannelOptions {
  readonly name: string
  readonly feed: Feed
  readonly limits: HubLimits
  readonly explain: HubOptions['explain']
  readonly encode: (frame: Frame) => Encoded
  /** Nobody looks any more. */
  readonly over: () => void
}

/** A channel that somebody looks at, or did a moment ago. */
class RunningChannel {
  private readonly options: ChannelOptions
  private readonly clients = new Set<Client>()
  private readonly abort = new AbortController()
  private readonly done: Promise<void>
  private newest: Encoded | undefined
  private lingering: NodeJS.Timeout | undefined
  private failingSince: string | undefined
  private silence: NodeJS.Timeout | undefined

  constructor(options: ChannelOptions) {
    this.options = options
    this.done = this.run()
  }

  join(client: Client, seen: number): void {
    clearTimeout(this.lingering)
    this.clients.add(client)
    if (this.newest !== undefined && this.newest.id > seen) client.send(this, this.newest)
  }

  leave(client: Client): void {
    this.clients.delete(client)
    client.forget(this)
    if (this.clients.size > 0) return
    this.lingering = setTimeout(() => void this.stop(), this.options.limits.lingerMs)
    this.lingering.unref()
  }

  sendNewest(client: Client): void {
    if (this.newest !== undefined) client.send(this, this.newest)
  }

  async stop(): Promise<void> {
    clearTimeout(this.lingering)
    clearTimeout(this.silence)
    this.options.over()
    this.abort.abort()
    await this.done
  }

  private async run(): Promise<void> {
    const { name, feed, explain, limits } = this.options
    const { signal } = this.abort
    const parameter = name.slice(feed.name.length + 1)
    // A feed that throws at once must find the channel made.
    await Promise.resolve()
    while (!signal.aborted) {
      this.expectSoon()
      try {
        await feed.run({
          parameter,
          signal,
          publish: (state) => {
            this.failingSince = undefined
            this.send({ channel: name, state })
            this.expectSoon()
          },
        })
        if (!signal.aborted) throw new Error(`${feed.name} has ended`)
      } catch (cause) {
        if (signal.aborted) return
        clearTimeout(this.silence)
        this.fail(explain(cause), new Date().toISOString())
        await delay(limits.againMs, undefined, { signal }).catch(() => undefined)
      }
    }
  }

  private expectSoon(): void {
    const { silentMs } = this.options.feed
    clearTimeout(this.silence)
    if (silentMs === undefined || this.abort.signal.aborted) return
    const since = new Date().toISOString()
    this.silence = setTimeout(() => this.fail('there is no answer yet', since), silentMs)
    this.silence.unref()
  }

  private fail(text: string, since: string): void {
    this.failingSince ??= since
    this.send({ channel: this.options.name, problem: { text, since: this.failingSince } })
  }

  private send(frame: Frame): void {
    if (this.abort.signal.aborted) return
    this.newest = this.options.encode(frame)
    for (const client of this.clients) client.send(this, this.newest)
  }
}
