import { type AddressInfo, connect, createServer, type Socket } from 'node:net'
import { connect as connectTls, createServer as createTlsServer } from 'node:tls'
import { readTls } from '../../connectors/tls-files.ts'

/** A TCP proxy in front of a broker, to break connections in ways in which networks do. */
export interface MqttProxy extends AsyncDisposable {
  readonly url: string
  /** Resets every connection. */
  reset(): void
  /** From now on nothing passes on the connections that are open, and nobody is told: half-open. */
  stall(): void
}

/**
 * A side that ends is not answered by the proxy itself: a client that waits for the broker to close
 * would go on while the broker still had its last packets to read, and its next session could
 * overtake them.
 */
const PASS_ON_ENDS = { allowHalfOpen: true }

/** @param tls key and certificate in PEM: clients then speak TLS with the proxy */
export async function openMqttProxy(brokerUrl: string, tls?: { readonly key: string; readonly cert: string }): Promise<MqttProxy> {
  const broker = new URL(brokerUrl)
  const pairs = new Set<readonly [Socket, Socket]>()
  const onConnection = (client: Socket): void => {
    const target = { port: Number(broker.port), host: broker.hostname, ...PASS_ON_ENDS }
    const upstream =
      tls && broker.protocol === 'mqtts:' ? connectTls({ ...target, ...readTls({ caFile: process.env.MQTT_CA_FILE }) }) : connect(target)
    const pair = [client, upstream] as const
    pairs.add(pair)
    for (const [from, to] of [pair, [upstream, client] as const]) {
      from.pipe(to)
      from.on('error', () => to.destroy())
      from.on('close', () => {
        to.destroy()
        pairs.delete(pair)
      })
    }
  }
  const server = tls ? createTlsServer(tls, onConnection) : createServer(PASS_ON_ENDS, onConnection)
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const reset = (): void => {
    for (const [client, upstream] of pairs) {
      client.resetAndDestroy()
      upstream.resetAndDestroy()
    }
  }
  return {
    url: `${tls ? 'mqtts:' : broker.protocol}//127.0.0.1:${(server.address() as AddressInfo).port}`,
    reset,
    stall() {
      for (const [client, upstream] of pairs) {
        client.unpipe(upstream).pause()
        upstream.unpipe(client).pause()
      }
    },
    async [Symbol.asyncDispose]() {
      reset()
      await new Promise((resolve) => server.close(resolve))
    },
  }
}
