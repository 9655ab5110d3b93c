import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { connect, type Socket } from 'node:net'
import { join } from 'node:path'
import { TLSSocket, connect as tlsConnect } from 'node:tls'
import { splitFiles } from '../../connectors/address-files.ts'
import { readTls } from '../../connectors/tls-files.ts'
import { localDirectory } from '../../services/local-directory.ts'

/** Both sides of whoever stands between a client and PostgreSQL and reads what they say. */
export interface PostgresSockets {
  /** What a client says and is told, of its connection to us. */
  accept(client: Socket): Promise<Socket>
  /** A new connection to the server. It may be destroyed before it is one. */
  dial(): Promise<Socket>
}

/** How a client asks for TLS, and the server's yes (PostgreSQL, "SSL Session Encryption"). */
const SSL_REQUEST = Buffer.from('0000000804d2162f', 'hex')
const YES = 0x53

/**
 * On a secured stack TLS ends here on either side: towards the clients by the stack's own
 * certificate.
 */
export function postgresSockets(databaseUrl: string): PostgresSockets {
  const { address, files } = splitFiles(databaseUrl)
  const { hostname: host, port } = new URL(address)
  const dial = (): Socket => connect(Number(port), host).on('error', () => undefined)
  if (files === undefined) return { accept: async (client) => client, dial: async () => dial() }
  const own = (file: string): Buffer => readFileSync(join(localDirectory(process.env), 'certificates', file))
  const server = { cert: own('server.pem'), key: own('server.key') }
  return {
    async accept(client) {
      const [request] = (await once(client, 'data')) as [Buffer]
      if (!request.equals(SSL_REQUEST)) throw new Error(`a client of the proxy asks for no TLS: ${request.toString('hex')}`)
      const secured = new TLSSocket(client, { isServer: true, ...server })
      client.write(Buffer.from([YES]))
      return closingWith(secured, client)
    },
    async dial() {
      const socket = dial()
      socket.write(SSL_REQUEST)
      const [answer] = (await once(socket, 'data')) as [Buffer]
      if (answer[0] !== YES) throw new Error('PostgreSQL does not speak TLS')
      return closingWith(tlsConnect({ socket, host, ...readTls(files) }), socket)
    },
  }
}

function closingWith(secured: Socket, socket: Socket): Socket {
  secured.on('error', () => undefined)
  secured.once('close', () => socket.destroy())
  return secured
}
