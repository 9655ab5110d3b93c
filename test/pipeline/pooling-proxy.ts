import { createServer, type Socket } from 'node:net'
import { postgresSockets } from './postgres-sockets.ts'

/** Stands between clients and PostgreSQL as connection poolers do. */
export interface PoolingProxy extends AsyncDisposable {
  /** The database's URL, through the proxy. */
  readonly url: string
}

/**
 * `transactions`: a server process is a client's for the length of a transaction, as with
 * PgBouncer's pool_mode = transaction; what a client asks for when it connects is ignored. `deaf`:
 * each client has its own, but notifications do not get through.
 */
export type Pooling = 'transactions' | 'deaf'

interface Server {
  readonly socket: Socket
  client: Socket | undefined
}

const PROCESSES = 3

export async function poolingProxy(databaseUrl: string, pooling: Pooling): Promise<PoolingProxy> {
  const { username, pathname } = new URL(databaseUrl)
  const { accept, dial } = postgresSockets(databaseUrl)
  const sockets = new Set<Socket>()
  /** Idle ones, the last used last: it is the next one used. */
  const idle: Server[] = []
  const waiting: (() => void)[] = []

  function keep(socket: Socket): Socket {
    sockets.add(socket)
    socket.on('error', () => socket.destroy())
    socket.on('close', () => sockets.delete(socket))
    return socket
  }

  /** A server process of the pool, once it is ready. */
  async function open(): Promise<Server> {
    const server: Server = { socket: keep(await dial()), client: undefined }
    server.socket.write(startup({ user: username, database: pathname.slice(1) }))
    return new Promise((resolve) => {
      eachMessage(server.socket, (type, message) => {
        server.client?.write(message)
        // ReadyForQuery, outside of a transaction: the process is free.
        if (type !== 'Z' || message[5] !== 0x49) return
        resolve(server)
        server.client = undefined
        if (!idle.includes(server)) idle.push(server)
        waiting.shift()?.()
      })
    })
  }

  function lend(client: Socket): void {
    client.once('data', (asked: Buffer) => {
      const begun = asked.readInt32BE(0)
      client.write(Buffer.concat([message('R', Buffer.alloc(4)), message('K', Buffer.alloc(8, 0x7e)), message('Z', Buffer.from('I'))]))
      let server: Server | undefined
      const pass = (text: Buffer): void => {
        if (server?.client !== client) server = idle.pop()
        if (server === undefined) return void waiting.push(() => pass(text))
        server.client = client
        server.socket.write(text)
      }
      eachMessage(client, (type, text) => (type === 'X' ? client.end() : pass(text)), asked.subarray(begun))
      client.on('close', () => {
        if (server?.client !== client) return
        server.client = undefined
        server.socket.write(message('Q', Buffer.from('ROLLBACK\0')))
      })
    })
  }

  async function deafen(raw: Socket): Promise<void> {
    const [client, server] = (await Promise.all([accept(raw), dial()])).map(keep) as [Socket, Socket]
    client.pipe(server)
    eachMessage(server, (type, text) => {
      if (type !== 'A') client.write(text)
    })
    client.on('close', () => server.destroy())
    server.on('close', () => client.destroy())
  }

  if (pooling === 'transactions') for (let count = 0; count < PROCESSES; count++) await open()
  const listener = createServer((client) => {
    keep(client)
    if (pooling === 'transactions') lend(client)
    else deafen(client).catch(() => client.destroy())
  })
  await new Promise<void>((resolve) => listener.listen(0, '127.0.0.1', resolve))
  const address = listener.address()
  if (address === null || typeof address === 'string') throw new Error('the proxy has no port')
  const url = new URL(databaseUrl)
  url.host = `127.0.0.1:${address.port}`
  return {
    url: url.href,
    async [Symbol.asyncDispose]() {
      for (const socket of sockets) socket.destroy()
      await new Promise((resolve) => listener.close(resolve))
    },
  }
}

/** Messages of PostgreSQL's protocol: a dead letter, the length, the rest. */
function eachMessage(socket: Socket, take: (type: string, message: Buffer) => void, begun: Buffer = Buffer.alloc(0)): void {
  let rest = begun
  const read = (): void => {
    while (rest.length >= 5) {
      const end = 1 + rest.readInt32BE(1)
      if (rest.length < end) return
      const next = rest.subarray(0, end)
      rest = rest.subarray(end)
      take(String.fromCharCode(next[0] ?? 0), next)
    }
  }
  read()
  socket.on('data', (data: Buffer) => {
    rest = Buffer.concat([rest, data])
    read()
  })
}

function message(type: string, body: Buffer): Buffer {
  const head = Buffer.alloc(5)
  head.write(type)
  head.writeInt32BE(4 + body.length, 1)
  return Buffer.concat([head, body])
}

function startup(parameters: Readonly<Record<string, string>>): Buffer {
  const body = Buffer.from(`${Object.entries(parameters).flat().join('\0')}\0\0`)
  const head = Buffer.alloc(8)
  head.writeInt32BE(8 + body.length)
  head.writeInt32BE(196_608, 4)
  return Buffer.concat([head, body])
}
