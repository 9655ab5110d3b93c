import { connect, createServer, type Socket } from 'node:net'

/** A network that swallows what is sent: connections are made, and nothing ever comes back. */
export interface BlackHole extends AsyncDisposable {
  readonly port: number
  /**
   * From now on new connections pass; those that there are stay swallowed, as after a firewall
   * forgot them.
   */
  open(): void
}

/** Listens on loopback, on a free port, for what means `targetPort`. */
export async function digBlackHole(targetPort: number): Promise<BlackHole> {
  const sockets = new Set<Socket>()
  let passes = false
  const keep = (socket: Socket): Socket => {
    sockets.add(socket.on('error', () => undefined).once('close', () => sockets.delete(socket)))
    return socket
  }
  const server = createServer((client) => {
    keep(client)
    if (!passes) {
      client.resume()
      return
    }
    const target = keep(connect(targetPort, '127.0.0.1'))
    client.pipe(target).pipe(client)
    client.once('close', () => target.destroy())
    target.once('close', () => client.destroy())
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const address = server.address()
  if (address === null || typeof address === 'string') throw new Error('no port')
  return {
    port: address.port,
    open: () => {
      passes = true
    },
    async [Symbol.asyncDispose]() {
      for (const socket of sockets) socket.destroy()
      await new Promise((resolve) => server.close(resolve))
    },
  }
}
