import { readFileSync } from 'node:fs'
import { request as requestHttp } from 'node:http'
import { request as requestHttps } from 'node:https'
import { join } from 'node:path'
import { buffer } from 'node:stream/consumers'
import mqtt from 'mqtt'
import pg from 'pg'
import { splitFiles } from '../../connectors/address-files.ts'
import type { Log } from '../../connectors/contract.ts'
import type { KafkaClient } from '../../connectors/kafka/client.ts'
import { clientSettings } from '../../connectors/postgres/client-settings.ts'
import { readTls } from '../../connectors/tls-files.ts'
import { loadConfig } from '../../services/config.ts'
import { fleetAccess } from '../../services/fleet-access.ts'
import { kafkaClient } from '../../services/kafka.ts'
import { asKafkaOwner } from '../../services/kafka-users.ts'
import { localDirectory } from '../../services/local-directory.ts'

export const quiet: Log = { info: () => undefined, warn: () => undefined, error: () => undefined }

/** An address of the stack that the tests run on; a missing one is a failure. */
export function address(name: string): string {
  const value = process.env[name]
  if (value === undefined) throw new Error(`${name} is not set: run make test, or source the env of a local stack`)
  return value
}

/**
 * Clients of a test's own for the stack of the environment, secured or not: as whom and by which
 * files they connect is what the product makes of the same variables.
 */

/** Kafka, as the owner of the line: in a secured stack one who may do everything. */
export function testKafka(clientId = 'test', log: Log = quiet, changes: NodeJS.ProcessEnv = {}): KafkaClient {
  return kafkaClient(asKafkaOwner(loadConfig({ ...process.env, ...changes }, undefined)), clientId, log)
}

/** PostgreSQL, at one of the stack's addresses or one made of it. Connects at `connect`. */
export function testDatabase(url: string, settings: pg.ClientConfig = {}): pg.Client {
  return new pg.Client({ ...clientSettings(url), ...settings })
}

/** The address of a database of the stack, for its superuser. */
export function asSuperuser(url: string): string {
  const changed = new URL(url)
  changed.username = 'postgres'
  if (changed.password !== '')
    changed.password = readFileSync(join(localDirectory(process.env), 'passwords/postgres-postgres'), 'utf8').trim()
  return changed.href
}

/** The same as PostgreSQL's own programs take it. */
export function superuserVariables(url: string): NodeJS.ProcessEnv {
  const { address: base, files } = splitFiles(asSuperuser(url))
  const { hostname, port, username, password } = new URL(base)
  const tls = files === undefined ? {} : { PGSSLMODE: 'verify-full', PGSSLROOTCERT: files.caFile, PGPASSWORD: decodeURIComponent(password) }
  return { PGHOST: hostname, PGPORT: port, PGUSER: username, ...tls }
}

/** Takes out what the stack's users and certificates are: for a process at other addresses. */
export function withoutCredentials(): NodeJS.ProcessEnv {
  const names = Object.keys(process.env).filter((name) => /^(MQTT|KAFKA|REGISTRY|POSTGRES)_.*(USERNAME|PASSWORD|_FILE)$/.test(name))
  return Object.fromEntries(names.map((name) => [name, undefined]))
}

/** Where the broker is, and in a secured stack its authority and the user of its fleet. */
export interface TestBroker {
  readonly url: string
  readonly tls?: { readonly caFile: string }
  readonly user?: { readonly username: string; readonly password: string }
}

export function testBroker(): TestBroker {
  const { url, tls, username, password } = fleetAccess(loadConfig(process.env, undefined).env)
  return {
    url,
    ...(tls?.caFile === undefined ? {} : { tls: { caFile: tls.caFile } }),
    ...(username === undefined || password === undefined ? {} : { user: { username, password } }),
  }
}

/** Connects to the broker as devices that nobody keeps apart. */
export function testPublisher(options: mqtt.IClientOptions = {}): Promise<mqtt.MqttClient> {
  const { url, tls, user } = testBroker()
  const trusted = tls === undefined ? {} : { ca: readFileSync(tls.caFile) }
  return mqtt.connectAsync(url, { protocolVersion: 5, ...trusted, ...user, ...options })
}

/** What a test asks the registry. */
export interface RegistryQuestion {
  readonly method?: string
  readonly headers?: Readonly<Record<string, string>>
  readonly body?: string
}

const ANSWER_MS = 20_000

/**
 * As `fetch`, of a path below the registry's address; `fetch` itself takes neither an authority nor
 * a user.
 * @throws TypeError if the connection ends without an answer
 */
export function askRegistry(path: string, { method = 'GET', headers = {}, body }: RegistryQuestion = {}): Promise<Response> {
  const { address: base, files } = splitFiles(address('REGISTRY_URL'))
  const url = new URL(`${base}${path}`)
  const options = { method, headers: { ...headers }, signal: AbortSignal.timeout(ANSWER_MS) }
  const request = files === undefined ? requestHttp(url, options) : requestHttps(url, { ...options, ...readTls(files) })
  return new Promise((resolve, reject) => {
    request.on('error', (cause) => reject(new TypeError(`asking the registry for ${path}`, { cause })))
    request.on('response', (answer) => {
      const status = answer.statusCode ?? 0
      const respond = (bytes: Buffer): void => resolve(new Response(status === 204 ? null : new Uint8Array(bytes), { status }))
      buffer(answer).then(respond, reject)
    })
    request.end(body)
  })
}
