import { type AddressInfo, createServer, type Server, type Socket } from 'node:net'
import { expect } from 'chai'
import type { Subscription } from '../../processors/bridge/subscriptions.ts'
import type { GrantedFilters } from './session-filters.ts'
import { createSubscriber, type SessionState, type Subscriber, type SubscriberOptions } from './subscriber.ts'

const CONNECT = 1
const SUBSCRIBE = 8
const UNSUBSCRIBE = 10
const PINGREQ = 12
const DISCONNECT = 14
const PINGRESP = Buffer.from([0xd0, 0])
const CONNACK = Buffer.from([0x20, 3, 0, 0, 0])
/** QoS 1 publish of "hi" on "a". */
const PUBLISH = Buffer.from([0x32, 8, 0, 1, 0x61, 0, 1, 0, 0x68, 0x69])

/** What a scripted broker answers to a packet of this type on its nth connection. */
type Script = (packetType: number, connection: number, packet: Buffer) => readonly Buffer[]

describe('MQTT subscriber, against a scripted broker', () => {
  let server: Server
  let sockets: Socket[]
  let subscriber: Subscriber | undefined
  let warnings: string[]
  let states: SessionState[]
  let topics: string[]

  beforeEach(() => {
    sockets = []
    warnings = []
    states = []
    topics = []
    subscriber = undefined
  })

  afterEach(async () => {
    await subscriber?.[Symbol.asyncDispose]()
    for (const socket of sockets) socket.destroy()
    await new Promise((resolve) => server.close(resolve))
  })

  async function run(script: Script, options: Partial<SubscriberOptions> = {}): Promise<void> {
    server = createServer((socket) => {
      sockets.push(socket)
      const connection = sockets.length
      socket.on('error', () => {})
      // The client's packets are small and come whole.
      socket.on('data', (packet) => {
        for (const answer of script((packet[0] ?? 0) >> 4, connection, packet)) socket.write(answer)
      })
    })
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
    subscriber = createSubscriber({
      url: `mqtt://127.0.0.1:${(server.address() as AddressInfo).port}`,
      clientId: 'test',
      filters: { required: ['a'], optional: [], everything: false },
      handler: async (publishes) => void topics.push(...publishes.map(({ topic }) => topic)),
      log: {
        info() {},
        warn: (message, fields) => warnings.push(`${message}: ${fields?.error ?? fields?.reasonCode}`),
        error() {},
      },
      onState: (state) => states.push(state),
      limits: { reconnect: { baseMs: 10, maxMs: 20 }, keepaliveSeconds: 1, drainMs: 50 },
      ...options,
    })
  }

  const suback = (packet: Buffer, code: number): Buffer => Buffer.from([0x90, 4, packet[2] ?? 0, packet[3] ?? 0, 0, code])
  const obliging: Script = (type, _connection, packet) => (type === CONNECT ? [CONNACK] : type === SUBSCRIBE ? [suback(packet, 1)] : [])

  it('closes a connection whose stream is malformed, says why, and connects again', async () => {
    await run((type, connection, packet) => {
      if (type === CONNECT && connection === 1) return [CONNACK, Buffer.from([0x30, 0xff, 0xff, 0xff, 0xff, 0x01])]
      return obliging(type, connection, packet)
    })
    await until(() => subscriber?.state.tag === 'connected')
    expect(warnings).to.deep.equal(['MQTT connection failed: reading from MQTT: the remaining length takes more than 4 bytes'])
    expect(sockets).to.have.length(2)
  })

  it('takes publishes that come in one piece with CONNACK, before SUBACK', async () => {
    await run((type, connection, packet) => (type === CONNECT ? [Buffer.concat([CONNACK, PUBLISH])] : obliging(type, connection, packet)))
    await until(() => subscriber?.counters().pubacks === 1)
    expect(topics).to.deep.equal(['a'])
  })

  it('reports the reason code of a DISCONNECT and connects again', async () => {
    await run((type, connection, packet) => {
      const answers = obliging(type, connection, packet)
      if (type === SUBSCRIBE && connection === 1) {
        setTimeout(() => sockets[0]?.end(Buffer.from([DISCONNECT << 4, 2, 0x8b, 0])), 20)
      }
      return answers
    })
    await until(() => sockets.length === 2 && subscriber?.state.tag === 'connected')
    expect(warnings).to.include('MQTT broker sent DISCONNECT: 139')
    expect(states.map(({ tag }) => tag)).to.deep.equal(['connected', 'connecting', 'connected'])
    expect(states[1]).to.have.property('because', 'the broker disconnected us: reason code 0x8b')
  })

  it('reports the reason code of a DISCONNECT that comes in one piece with SUBACK', async () => {
    await run((type, connection, packet) => {
      const answers = obliging(type, connection, packet)
      if (type !== SUBSCRIBE || connection > 1) return answers
      setImmediate(() => sockets[0]?.end())
      return [Buffer.concat([...answers, Buffer.from([DISCONNECT << 4, 2, 0x8b, 0])])]
    })
    await until(() => subscriber?.state.tag === 'connected' && sockets.length === 2)
    expect(states.find(({ tag }) => tag === 'connecting')).to.have.property('because', 'the broker disconnected us: reason code 0x8b')
  })

  for (const [what, code] of [
    ['refuses the subscription', 0x87],
    ['grants QoS 0 only', 0],
  ] as const) {
    it(`does not call itself connected if the broker ${what}, and tries again`, async () => {
      await run((type, connection, packet) => {
        return type === SUBSCRIBE && connection < 3 ? [suback(packet, code)] : obliging(type, connection, packet)
      })
      await until(() => subscriber?.state.tag === 'connected')
      expect(sockets).to.have.length(3)
      expect(states.map(({ tag }) => tag)).to.deep.equal(['connecting', 'connecting', 'connected'])
      expect(warnings[0]).to.match(/^MQTT connection failed: subscribing: /)
    })
  }

  /** A broker that refuses some filters. */
  function refusing(refused: readonly string[], asked: string[] = [], connack = CONNACK): Script {
    // The client may write several packets at once, or one in pieces.
    let bytes = Buffer.alloc(0)
    return (_type, _connection, more) => {
      bytes = Buffer.concat([bytes, more])
      const answers: Buffer[] = []
      while (bytes.length > 1 && bytes.length >= 2 + (bytes[1] ?? 0)) {
        const packet = bytes.subarray(0, 2 + (bytes[1] ?? 0))
        bytes = bytes.subarray(packet.length)
        const type = (packet[0] ?? 0) >> 4
        if (type === CONNECT) answers.push(connack)
        if (type === UNSUBSCRIBE) answers.push(Buffer.from([0xb0, 4, packet[2] ?? 0, packet[3] ?? 0, 0, 0]))
        if (type !== SUBSCRIBE) continue
        const filter = packet.toString('utf8', 7, 7 + packet.readUInt16BE(5))
        asked.push(filter)
        answers.push(suback(packet, refused.includes(filter) ? 0x87 : 1))
      }
      return answers
    }
  }

  it('goes on without a filter that is not required, and says which the broker refuses', async () => {
    const granted: GrantedFilters[] = []
    const asked: string[] = []
    await run(refusing(['d/#'], asked), {
      filters: { required: ['a', 'd/x'], optional: ['d/#', 'e'], everything: false },
      onFilters: (now) => granted.push(now),
    })
    await until(() => subscriber?.state.tag === 'connected')
    // What the refused one would have covered is asked for then.
    expect(asked).to.include('d/x')
    expect([...(granted.at(-1)?.refused ?? [])]).to.deep.equal([['d/#', 'refused (Subscribe error: Not authorized)']])
    expect(sockets).to.have.length(1)
  })

  it('does not wait for what the session had before if no two filters overlap, and unsubscribes that later', async () => {
    const asked: string[] = []
    let know: (before: readonly Subscription[]) => void = () => undefined
    const subscribedBefore = new Promise<readonly Subscription[]>((resolve) => (know = resolve))
    const remembered: (readonly Subscription[])[] = []
    // Session present.
    await run(refusing([], asked, Buffer.from([0x20, 3, 1, 0, 0])), {
      filters: { required: ['a', 'b/+'], optional: [], everything: false },
      subscribedBefore,
      rememberSubscribed: (now) => remembered.push(now),
    })
    await until(() => subscriber?.state.tag === 'connected')
    expect(asked).to.deep.equal(['a', 'b/+'])
    expect(remembered).to.deep.equal([])
    know([
      { filter: 'old', identifier: 5 },
      { filter: 'a', identifier: 6 },
    ])
    await until(() => remembered.length > 1)
    expect(remembered[0]?.map(({ filter }) => filter)).to.deep.equal(['a', 'b/+', 'old'])
    expect(remembered.at(-1)?.map(({ filter }) => filter)).to.deep.equal(['a', 'b/+'])
  })

  it('says that its session was taken over while it still waits for what it had before, and subscribes to nothing yet', async () => {
    const said: boolean[] = []
    let known: (before: readonly Subscription[]) => void = () => undefined
    const subscribedBefore = new Promise<readonly Subscription[]>((resolve) => {
      known = resolve
    })
    await run(
      (type, connection, packet) => {
        // As Mosquitto does it: no DISCONNECT.
        if (type === CONNECT && connection === 1) setTimeout(() => sockets[0]?.end(), 20)
        return obliging(type, connection, packet)
      },
      {
        filters: { required: ['a/+'], optional: ['+/b'], everything: false },
        subscribedBefore,
        onTakenOver: (told) => said.push(told),
      },
    )
    await until(() => sockets.length === 2 && subscriber?.counters().connections === 2)
    expect(said).to.deep.equal([false])
    known([])
    await until(() => subscriber?.state.tag === 'connected')
    expect(said).to.deep.equal([false])
  })

  it('says that its session was taken over also if an acknowledgement was on its way, and TCP says reset', async () => {
    const said: boolean[] = []
    await run(obliging, { onTakenOver: (told) => said.push(told) })
    await until(() => subscriber?.state.tag === 'connected')
    sockets[0]?.resetAndDestroy()
    await until(() => sockets.length === 2 && subscriber?.state.tag === 'connected')
    expect(warnings[0]).to.match(/^MQTT connection failed: .*ECONNRESET/)
    expect(said).to.deep.equal([false])
  })

  it('has its other filters if the broker refuses #', async () => {
    const granted: GrantedFilters[] = []
    const asked: string[] = []
    await run(refusing(['#'], asked), {
      filters: { required: ['a'], optional: ['b'], everything: true },
      onFilters: (now) => granted.push(now),
    })
    await until(() => subscriber?.state.tag === 'connected')
    expect(asked.slice(0, 3)).to.deep.equal(['#', 'a', 'b'])
    expect(granted.at(-1)).to.have.property('everything', false)
    expect([...(granted.at(-1)?.refused.keys() ?? [])]).to.deep.equal(['#'])
  })

  it('tries again if the broker refuses the connection', async () => {
    await run((type, connection, packet) => {
      return type === CONNECT && connection === 1 ? [Buffer.from([0x20, 3, 0, 0x88, 0])] : obliging(type, connection, packet)
    })
    await until(() => subscriber?.state.tag === 'connected')
    expect(warnings).to.deep.equal(['MQTT connection failed: Connection refused: Server unavailable'])
  })

  it('tries again if the broker never answers', async () => {
    await run((type, connection, packet) => (connection === 1 ? [] : obliging(type, connection, packet)), {
      limits: { reconnect: { baseMs: 10, maxMs: 20 }, connectTimeoutMs: 50, drainMs: 50 },
    })
    await until(() => subscriber?.state.tag === 'connected')
    // A busy machine may answer a later connection too late as well: each such one is said, and
    // tried again.
    expect([...new Set(warnings)]).to.deep.equal(['MQTT connection failed: connack timeout'])
    expect(sockets).to.have.length(warnings.length + 1)
  })

  it('keeps a connection on which publishes come though no ping is answered, says so, and says when answers come again', async () => {
    let answering = false
    let unanswered = 0
    let publishing: NodeJS.Timeout | undefined
    await run((type, connection, packet) => {
      if (type === SUBSCRIBE) publishing = setInterval(() => sockets[0]?.write(PUBLISH), 20)
      if (type !== PINGREQ) return obliging(type, connection, packet)
      if (answering) return Array.from({ length: 1 + unanswered }, () => PINGRESP)
      unanswered++
      return []
    })
    const since = (): number | undefined => (subscriber?.state.tag === 'connected' ? subscriber.state.unansweredSinceMs : undefined)
    await until(() => since() !== undefined)
    expect(warnings).to.deep.equal(['MQTT broker sends, but does not answer: it is overloaded: undefined'])
    answering = true
    await until(() => since() === undefined)
    expect(subscriber?.counters().connections).to.equal(1)
    clearInterval(publishing)
  })

  it('stops on an abort, also while it cannot connect', async () => {
    const abort = new AbortController()
    await run(() => [], { signal: abort.signal })
    await until(() => sockets.length === 1)
    abort.abort()
    await until(() => subscriber?.state.tag === 'stopped')
    await subscriber?.[Symbol.asyncDispose]()
  })

  it('never connects when it is aborted from the start', async () => {
    await run(() => [], { signal: AbortSignal.abort() })
    await until(() => subscriber?.state.tag === 'stopped')
    expect(sockets).to.have.length(0)
  })
})

async function until(condition: () => boolean): Promise<void> {
  const deadline = Date.now() + 1_800
  while (!condition()) {
    if (Date.now() > deadline) throw new Error(`not within 1.8 s: ${condition.toString()}`)
    await new Promise((resolve) => setTimeout(resolve, 5))
  }
}
