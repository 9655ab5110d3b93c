import { connect, createServer, type Server, type Socket } from 'node:net'

/**
 * A TCP proxy that can do to its connections what networks do. Connections made after a fault are
 * as good as new.
 */
export interface FaultyProxy extends FaultyConnections, AsyncDisposable {
  readonly port: number
}

/** The connections of a proxy, or of several. */
export interface FaultyConnections {
  readonly connections: number
  /** Ends the connections that there are, both ways, with RST. */
  reset(): void
  /** Holds back what comes, from now on and on new connections too, until `resume`. */
  stall(): void
  resume(): void
  /**
   * The server loses the connections that there are; the clients are not told, and whatever they
   * send is lost.
   */
  halfOpen(): void
  /**
   * From now on nothing passes on those of the connections whose client has sent the watched text,
   * and neither side is told: a black hole. Returns how many they are.
   */
  swallow(): number
}

/** Several proxies as one; without their ports. */
export function joinProxies(proxies: readonly FaultyProxy[]): FaultyConnections {
  const each = (act: (proxy: FaultyProxy) => void) => () => {
    for (const proxy of proxies) act(proxy)
  }
  return {
    get connections() {
      return proxies.reduce((sum, { connections }) => sum + connections, 0)
    },
    reset: each((proxy) => proxy.reset()),
    stall: each((proxy) => proxy.stall()),
    resume: each((proxy) => proxy.resume()),
    halfOpen: each((proxy) => proxy.halfOpen()),
    swallow: () => proxies.reduce((sum, proxy) => sum + proxy.swallow(), 0),
  }
}

interface Pair {
  readonly client: Socket
  readonly server: Socket
  /** Whether its client has sent the text that is watched for. */
  watched: boolean
  swallowed: boolean
}

/** What passes on data and ends of one connection. */
interface Flow {
  readonly held: () => boolean
  readonly swallowed: () => boolean
  readonly closed: () => void
}

/**
 * Listens on loopback, on any free port, and connects to `targetPort` there.
 * @param watchFor marks connections for `swallow`
 */
export async function openProxy(targetPort: number, watchFor?: string): Promise<FaultyProxy> {
  const pairs = new Set<Pair>()
  /** Both ends of pairs, and what is left of a pair whose other end is gone. */
  const sockets = new Set<Socket>()
  let stalled = false
  const listener: Server = createServer({ noDelay: true }, (client) => {
    const server = connect({ port: targetPort, host: '127.0.0.1', noDelay: true })
    const pair: Pair = { client, server, watched: false, swallowed: false }
    pairs.add(pair)
    for (const socket of [client, server]) {
      sockets.add(socket)
      socket.once('close', () => sockets.delete(socket))
    }
    const flow: Flow = { held: () => stalled, swallowed: () => pair.swallowed, closed: () => pairs.delete(pair) }
    if (watchFor !== undefined) {
      client.on('data', (data: Buffer) => {
        pair.watched ||= data.includes(watchFor)
      })
    }
    join(client, server, flow)
    join(server, client, flow)
    if (stalled) hold(pair)
  })

  function hold({ client, server }: Pair): void {
    client.pause()
    server.pause()
  }

  await new Promise<void>((resolve, reject) => {
    listener.once('error', reject)
    listener.listen(0, '127.0.0.1', resolve)
  })
  const address = listener.address()
  if (address === null || typeof address === 'string') throw new Error('the proxy has no port')

  return {
    port: address.port,
    get connections() {
      return pairs.size
    },
    reset() {
      for (const { client, server } of pairs) {
        client.resetAndDestroy()
        server.resetAndDestroy()
      }
      pairs.clear()
    },
    stall() {
      stalled = true
      for (const pair of pairs) hold(pair)
    },
    resume() {
      stalled = false
      for (const { client, server } of pairs) {
        client.resume()
        server.resume()
      }
    },
    halfOpen() {
      for (const { client, server } of pairs) {
        server.removeAllListeners('close').once('close', () => sockets.delete(server))
        server.resetAndDestroy()
        client.removeAllListeners('data')
        client.on('data', () => undefined)
        client.resume()
      }
      pairs.clear()
    },
    swallow() {
      const those = [...pairs].filter(({ watched, swallowed }) => watched && !swallowed)
      for (const pair of those) pair.swallowed = true
      return those.length
    },
    async [Symbol.asyncDispose]() {
      for (const socket of sockets) socket.destroy()
      await new Promise((resolve) => listener.close(resolve))
    },
  }
}

/** Passes on what one end sends, at the pace that the other takes it, and its end. */
function join(from: Socket, to: Socket, { held, swallowed, closed }: Flow): void {
  from.on('data', (data: Buffer) => {
    if (swallowed() || to.write(data)) return
    from.pause()
    to.once('drain', () => {
      if (!held()) from.resume()
    })
  })
  from.on('end', () => {
    if (!swallowed()) to.end()
  })
  // What there is to know about an error, `close` says too.
  from.on('error', () => undefined)
  from.on('close', (hadError) => {
    closed()
    if (hadError) to.destroy()
    else to.end()
  })
}
