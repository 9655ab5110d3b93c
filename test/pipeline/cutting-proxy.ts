import { createServer, type Socket } from 'node:net'
import { postgresSockets } from './postgres-sockets.ts'

/** Stands between a client and a database, and cuts a connection at a statement. */
export interface CuttingProxy extends AsyncDisposable {
  /** The database's URL, through the proxy. */
  readonly url: string
  /**
   * Cuts the next connection that sends this text: before the server gets it, or once the server
   * has answered. `down`: from then on the database cannot be reached until `up`.
   */
  cutNext(text: string, when: 'before-sending' | 'after-answer', then?: 'down'): void
  /** Lets connections through again. */
  up(): void
}

export async function cuttingProxy(databaseUrl: string): Promise<CuttingProxy> {
  const { accept, dial } = postgresSockets(databaseUrl)
  const sockets = new Set<Socket>()
  let rule: { readonly text: string; readonly when: 'before-sending' | 'after-answer'; readonly down: boolean } | undefined
  let down = false
  const relay = async (raw: Socket): Promise<void> => {
    const [client, upstream] = await Promise.all([accept(raw), dial()])
    let cutOnAnswer = false
    const cut = (): void => {
      client.destroy()
      upstream.destroy()
    }
    for (const socket of [client, upstream]) {
      sockets.add(socket)
      socket.on('error', cut)
      socket.on('close', cut)
    }
    if (raw.destroyed) cut()
    client.on('data', (data: Buffer) => {
      if (rule !== undefined && data.includes(rule.text)) {
        const { when } = rule
        down = rule.down
        rule = undefined
        if (when === 'before-sending') return cut()
        cutOnAnswer = true
      }
      upstream.write(data)
    })
    upstream.on('data', (data: Buffer) => {
      if (cutOnAnswer) return cut()
      client.write(data)
    })
  }
  const server = createServer((client) => {
    if (down) {
      client.destroy()
      return
    }
    sockets.add(client.on('error', () => undefined))
    relay(client).catch(() => client.destroy())
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const address = server.address()
  if (address === null || typeof address === 'string') throw new Error('the proxy has no port')
  const url = new URL(databaseUrl)
  url.host = `127.0.0.1:${address.port}`
  return {
    url: url.href,
    cutNext(text, when, then) {
      rule = { text, when, down: then === 'down' }
    },
    up() {
      down = false
    },
    async [Symbol.asyncDispose]() {
      for (const socket of sockets) socket.destroy()
      await new Promise((resolve) => server.close(resolve))
    },
  }
}
