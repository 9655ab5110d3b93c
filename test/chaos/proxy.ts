import { connect, createServer, type Server, type Socket } from 'node:net'

/** A TCP proxy that can do to its connections what networks do. Connections made after a fault are as good as new. */
export interface FaultyProxy extends AsyncDisposable {
  readonly port: number
  readonly connections: number
  /** Ends the connections that there are, both ways, with RST. */
  reset(): void
  /** Holds back what comes, from now on and on new connections too, until `resume`. */
  stall(): void
  resume(): void
  /** The server loses the connections that there are; the clients are not told, and whatever they send is lost. */
  halfOpen(): void
}

interface Pair {
  readonly client: Socket
  readonly server: Socket
}

/** Listens on loopback, on any free port, and connects to `targetPort` there. */
export async function openProxy(targetPort: number): Promise<FaultyProxy> {
  const pairs = new Set<Pair>()
  /** Both ends of pairs, and what is left of a pair whose other end is gone. */
  const sockets = new Set<Socket>()
  let stalled = false
  const listener: Server = createServer({ noDelay: true }, (client) => {
    const server = connect({ port: targetPort, host: '127.0.0.1', noDelay: true })
    const pair = { client, server }
    pairs.add(pair)
    for (const socket of [client, server]) {
      sockets.add(socket)
      socket.once('close', () => sockets.delete(socket))
    }
    const flow = { held: () => stalled, closed: () => pairs.delete(pair) }
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
    async [Symbol.asyncDispose]() {
      for (const socket of sockets) socket.destroy()
      await new Promise((resolve) => listener.close(resolve))
    },
  }
}

/** Passes on what one end sends, at the pace that the other takes it, and its end. */
function join(from: Socket, to: Socket, { held, closed }: { readonly held: () => boolean; readonly closed: () => void }): void {
  from.on('data', (data: Buffer) => {
    if (to.write(data)) return
    from.pause()
    to.once('drain', () => {
      if (!held()) from.resume()
    })
  })
  from.on('end', () => to.end())
  // What there is to know about an error, `close` says too.
  from.on('error', () => undefined)
  from.on('close', (hadError) => {
    closed()
    if (hadError) to.destroy()
    else to.end()
  })
}
