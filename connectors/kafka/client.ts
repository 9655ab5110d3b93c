import net from 'node:net'
import tls from 'node:tls'
import type { Admin, KafkaConfig, Kafka as Kafkajs, logLevel as LogLevel, RetryOptions } from 'kafkajs'
import type { Log } from '../contract.ts'
import { readTls, type TlsFiles } from '../tls-files.ts'
import { Kafka, logLevel } from './kafkajs.ts'
import { createResponseReader } from './response-reader.ts'

/** Where Kafka is, and as whom to connect. */
export interface KafkaAddress {
  /** host:port of at least one broker. */
  readonly brokers: readonly string[]
  readonly clientId: string
  /** TLS, with these files; read at each connection. */
  readonly tls?: TlsFiles
  readonly sasl?: { readonly mechanism: 'plain' | 'scram-sha-256' | 'scram-sha-512'; readonly username: string; readonly password: string }
}

/** The caller waits through an outage, so that its place is kept. */
const RETRY = { initialRetryTime: 100, maxRetryTime: 5_000, retries: 8 }

/** Longest wait for a connection. */
const CONNECT_MS = 3_000

/** Longest wait for the first answer on a new connection: that of TLS, and that of Kafka. */
const HANDSHAKE_MS = 10_000

/** Most bytes that one read of a socket takes. */
const READ_BYTES = 262_144

/**
 * Where this folder keeps what is kafkajs's: outside of it, nobody sees a type of that library, and
 * a lint rule sees to it that nobody has this key.
 */
export const KAFKAJS: unique symbol = Symbol('kafkajs')

/** A client for a cluster, to be handed to the functions of this folder. */
export interface KafkaClient {
  readonly [KAFKAJS]: Kafkajs
}

/** A connection to ask and tell a cluster by, to be handed to the functions of this folder. */
export interface KafkaAdmin extends AsyncDisposable {
  /** Dials at the first call, and anew at the next one if that failed. */
  readonly [KAFKAJS]: () => Promise<Admin>
}

/** Dials nothing by itself. */
export function openAdmin(kafka: KafkaClient, retry?: RetryOptions): KafkaAdmin {
  const admin = kafka[KAFKAJS].admin(retry === undefined ? {} : { retry })
  let connected: Promise<Admin> | undefined
  return {
    [KAFKAJS]: () => {
      connected ??= admin.connect().then(
        () => admin,
        (cause: unknown) => {
          connected = undefined
          throw cause
        },
      )
      return connected
    },
    [Symbol.asyncDispose]: () => admin.disconnect(),
  }
}

/** A kafkajs client with our socket options and log. Dials nothing by itself. */
export function createKafka(address: KafkaAddress, log: Log): KafkaClient {
  // One buffer for all connections: its bytes are taken before the next read.
  const readBuffer = Buffer.allocUnsafeSlow(READ_BYTES)
  const config: KafkaConfig = {
    brokers: address.brokers.map(seedOf),
    clientId: address.clientId,
    retry: RETRY,
    // Of TLS, kafkajs hears when its handshake is over. It would not say whose it was.
    connectionTimeout: address.tls === undefined ? CONNECT_MS : CONNECT_MS + 2 * HANDSHAKE_MS,
    logLevel: logLevel.WARN,
    logCreator: () => logTo(log),
    // kafkajs leaves Nagle's algorithm on, which holds small requests back for a round trip.
    socketFactory: ({ host: named, port, onConnect }) => {
      const host = hostOf(named)
      let handshake: NodeJS.Timeout | undefined
      const within = (ms: number, what: string): void => {
        clearTimeout(handshake)
        handshake = setTimeout(() => socket.destroy(new Error(`no ${what} ${host}:${port} within ${ms} ms`)), ms)
      }
      const connected = (): void => {
        clearTimeout(handshake)
        const { write } = socket
        // From the first request on: a connection that nobody uses yet owes no answer. kafkajs would
        // wait as long as for any other request: half a minute.
        socket.write = ((...request: readonly unknown[]) => {
          socket.write = write
          within(HANDSHAKE_MS, 'answer from')
          return Reflect.apply(write, socket, request)
        }) as typeof write
        onConnect()
      }
      const read = createResponseReader((response) => socket.emit('data', response))
      const onread = {
        buffer: readBuffer,
        callback: (count: number, bytes: Uint8Array) => {
          clearTimeout(handshake)
          try {
            read(bytes as Buffer, count)
            return true
          } catch (cause) {
            socket.destroy(cause instanceof Error ? cause : new Error(String(cause)))
            return false
          }
        },
      }
      // Node documents onread for tls.connect too; its types have it for net.connect only.
      const secured = (files: TlsFiles) => ({ host, port, onread, ...(net.isIP(host) ? {} : { servername: host }), ...readTls(files) })
      const socket: net.Socket =
        address.tls === undefined ? net.connect({ host, port, onread }, connected) : tls.connect(secured(address.tls), connected)
      if (address.tls !== undefined) {
        within(CONNECT_MS, 'connection to')
        socket.once('connect', () => within(HANDSHAKE_MS, 'answer from'))
      }
      socket.once('close', () => clearTimeout(handshake))
      socket.setNoDelay(true)
      socket.setKeepAlive(true, 60_000)
      return socket
    },
  }
  if (address.tls !== undefined) config.ssl = true
  if (address.sasl !== undefined) config.sasl = address.sasl as NonNullable<KafkaConfig['sasl']>
  return { [KAFKAJS]: new Kafka(config) }
}

/**
 * kafkajs cuts `[::1]:9092` at its first colon. So an IPv6 address is given to it in disguise, as
 * `[__1]:9092`.
 */
function seedOf(broker: string): string {
  return broker.replace(/^\[.*\]/, (address) => address.replaceAll(':', '_'))
}

/** The address behind the disguise. Addresses that Kafka itself tells have no brackets. */
function hostOf(host: string): string {
  return host.startsWith('[') ? host.slice(1, -1).replaceAll('_', ':') : host
}

/**
 * What a cluster without an authorizer answers to who asks for rights. Nothing is wrong, and who
 * asked gets the same as an error.
 */
const NO_RIGHTS = 'Security features are disabled'

function logTo(log: Log): (entry: { level: LogLevel; log: { message: string; error?: string } }) => void {
  return ({ level, log: { message, error } }) => {
    if (error === NO_RIGHTS) return
    const fields = error === undefined ? {} : { error }
    if (level === logLevel.ERROR) log.warn(`kafka: ${message}`, fields)
    else log.info(`kafka: ${message}`, fields)
  }
}
