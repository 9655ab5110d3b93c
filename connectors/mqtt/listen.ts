import { connectAsync, type MqttClient } from 'mqtt'
import { ConnectorError, type Publish } from '../contract.ts'
import { clientOptions } from './client-options.ts'
import { type BrokerAccess, parseBroker } from './dial.ts'

/** Credentials in the URL are not used. */
export interface ListenOptions extends BrokerAccess {
  /** Of nobody else: a broker ends the session of whoever has it already. */
  readonly clientId: string
  readonly filter: string
  readonly onPublish: (publish: Publish) => void
}

/** A subscription for as long as somebody looks. */
export interface Listener extends AsyncDisposable {
  /** Resolves once the connection has ended, to why; not if it is disposed of. */
  readonly ended: Promise<string>
}

const CONNECT_MS = 10_000
const CLOSE_MS = 2_000

/**
 * Subscribes with QoS 0 and a session that ends with the connection: nothing waits at the broker,
 * and nobody is acknowledged to. It does not reconnect: what ended is said, since messages of that
 * time are missing.
 * @throws ConnectorError if the broker cannot be reached, or refuses the user or the filter
 */
export async function listen(options: ListenOptions): Promise<Listener> {
  const broker = parseBroker(options.url)
  const client = await connecting(options, broker.address)
  let because = 'the broker ended the connection'
  client.on('error', (error) => {
    because = error.message
  })
  client.on('disconnect', ({ reasonCode }) => {
    because = `the broker ended the connection: reason code 0x${(reasonCode ?? 0).toString(16)}`
  })
  client.on('message', (topic, payload, { retain }) => options.onPublish({ topic, payload, retain, receivedMs: Date.now() }))
  let disposed = false
  const ended = new Promise<string>((resolve) => {
    client.once('close', () => {
      if (!disposed) resolve(because)
    })
  })
  try {
    await client.subscribeAsync(options.filter, { qos: 0 })
  } catch (cause) {
    await client.endAsync(true)
    throw new ConnectorError('MQTT_SUBSCRIBE', false, `subscribing to ${options.filter} at ${broker.address}`, cause)
  }
  return {
    ended,
    async [Symbol.asyncDispose]() {
      disposed = true
      const timer = setTimeout(() => client.end(true), CLOSE_MS)
      await client.endAsync(!client.connected)
      clearTimeout(timer)
    },
  }
}

async function connecting(options: ListenOptions, address: string): Promise<MqttClient> {
  const { username, clientId } = options
  try {
    return await connectAsync(
      address,
      {
        protocolVersion: 5,
        clientId,
        clean: true,
        reconnectPeriod: 0,
        connectTimeout: CONNECT_MS,
        ...clientOptions(options),
      },
      false,
    )
  } catch (cause) {
    throw new ConnectorError(
      'MQTT_CONNECT',
      true,
      `connecting to ${address}${username === undefined ? ' without a user name' : ` as ${username}`}`,
      cause,
    )
  }
}
