import { type ChildProcess, spawn, spawnSync } from 'node:child_process'
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type ConnectionOptions, connect as connectTls } from 'node:tls'
import { projectRoot } from '../../schemas/files.ts'
import { type Ran, runMillrace } from '../adversary/command.ts'
import { type Claims, type HostileClient, openHostileClient } from '../adversary/hostile-client.ts'
import { freePort, until } from './service.ts'

/** A Mosquitto with the configuration of docs/device-identity.md, and the commands that keep it. */
export interface DeviceBroker extends AsyncDisposable {
  readonly folder: string
  /** Variables of services and commands that use it. */
  readonly env: NodeJS.ProcessEnv
  /** A configuration file of the commands; with `folder` in another one's place. */
  readonly config: string
  /** `millrace devices …`, which must end with 0. */
  devices(...args: readonly string[]): Promise<Ran>
  /** Starts it, once it has its files. */
  start(): Promise<void>
  /** Connects as a device whose certificate is in `out`, or in another folder. */
  withCertificate(name: string, claims?: Partial<Claims>, from?: string): Promise<HostileClient>
  /** Connects with a password. */
  withPassword(username: string, password: string | undefined, claims?: Partial<Claims>): Promise<HostileClient>
  /** What TLS needs to connect with a certificate. */
  tls(name: string, from?: string): ConnectionOptions
  /** Connects, says nothing, and gives what a TLS session can be resumed with. */
  tlsSession(name: string, from?: string): Promise<Buffer>
  readonly ports: { readonly certificates: number; readonly passwords: number }
}

/** Users who are no devices. */
export const USERS = {
  'millrace-bridge': 'of-the-bridge',
  operator: 'of-the-operator',
  observer: 'of-the-observer',
  auditor: 'of-the-auditor',
} as const

export async function openDeviceBroker(databaseUrl: string): Promise<DeviceBroker> {
  const folder = mkdtempSync(join(tmpdir(), 'millrace-identity-'))
  const at = (name: string): string => join(folder, name)
  const ports = { certificates: await freePort(), passwords: await freePort() }
  mkdirSync(at('data'))
  makeServerCertificate(folder)
  writeConfiguration(folder, ports)
  writeFileSync(at('bridge.password'), USERS['millrace-bridge'])
  const config = at('millrace.yaml')
  writeFileSync(
    config,
    `identity:
  authority: authority
  broker_files: files
  broker_users: users
  broker_pid_file: mosquitto.pid
  brokers: ["mqtts://localhost:${ports.certificates}"]
`,
  )
  const env = {
    APP_DATABASE_URL: databaseUrl,
    MQTT_URL: `mqtts://localhost:${ports.passwords}`,
    MQTT_CA_FILE: at('server.crt'),
    MQTT_PASSWORD: undefined,
    MQTT_PASSWORD_FILE: at('bridge.password'),
  }
  let broker: ChildProcess | undefined
  const server = { ca: readFileSync(at('server.crt')), servername: 'localhost' }
  const tls = (name: string, from = 'out'): ConnectionOptions => ({
    ...server,
    cert: readFileSync(at(`${from}/${name}.pem`)),
    key: readFileSync(at(`${from}/${name}.key`)),
  })
  const certificateUrl = `mqtts://127.0.0.1:${ports.certificates}`
  const withPassword: DeviceBroker['withPassword'] = (username, password, claims) =>
    openHostileClient({
      url: `mqtts://127.0.0.1:${ports.passwords}`,
      clientId: username,
      username,
      ...(password === undefined ? {} : { password }),
      tls: server,
      keepAliveSeconds: 0,
      ...claims,
    })
  return {
    folder,
    env,
    config,
    ports,
    tls,
    withPassword,
    async devices(...args) {
      const ran = await runMillrace(['devices', ...args, '--config', config], env)
      if (ran.code !== 0) throw new Error(`millrace devices ${args.join(' ')} exited with ${ran.code}:\n${ran.output}${ran.error}`)
      return ran
    },
    async start() {
      broker = spawn('mosquitto', ['-c', at('mosquitto.conf')], {
        stdio: 'ignore',
        env: { ...process.env, PATH: `${process.env.PATH}:/usr/sbin` },
      })
      await until('the broker answers', async () => {
        await using client = await withPassword('operator', USERS.operator)
        return client.connack === 0
      })
    },
    withCertificate: (name, claims, from) => openHostileClient({ url: certificateUrl, clientId: name, tls: tls(name, from), ...claims }),
    tlsSession: (name, from) =>
      new Promise((resolve, reject) => {
        const socket = connectTls({ port: ports.certificates, host: '127.0.0.1', ...tls(name, from) })
        socket.once('error', reject)
        socket.once('session', (session: Buffer) => {
          socket.destroy()
          resolve(session)
        })
      }),
    async [Symbol.asyncDispose]() {
      if (broker !== undefined && broker.exitCode === null) {
        const ended = new Promise((resolve) => broker?.once('exit', resolve))
        broker.kill('SIGKILL')
        await ended
      }
      rmSync(folder, { recursive: true, force: true })
    },
  }
}

function makeServerCertificate(folder: string): void {
  const made = run(
    ...[
      'openssl',
      'req',
      '-x509',
      '-newkey',
      'ec',
      '-pkeyopt',
      'ec_paramgen_curve:P-256',
      '-nodes',
      '-days',
      '2',
      '-subj',
      '/CN=localhost',
    ],
    ...['-addext', 'subjectAltName=DNS:localhost,IP:127.0.0.1', '-keyout', join(folder, 'server.key'), '-out', join(folder, 'server.crt')],
  )
  if (made !== 0) throw new Error('openssl made no certificate')
}

/** Of the documentation, with the test's paths and ports. */
function writeConfiguration(folder: string, ports: DeviceBroker['ports']): void {
  const [conf = ''] = blocks('docs/device-identity.md')
  const [, acl = ''] = blocks('docs/broker.md')
  writeFileSync(
    join(folder, 'mosquitto.conf'),
    `${conf
      .replaceAll('/etc/mosquitto/millrace', join(folder, 'files'))
      .replaceAll('/etc/mosquitto', folder)
      .replaceAll('/run/mosquitto', folder)
      .replaceAll('/var/lib/mosquitto', join(folder, 'data'))
      .replace('listener 8883', `listener ${ports.certificates} 127.0.0.1`)
      .replace('listener 8884', `listener ${ports.passwords} 127.0.0.1`)}\nuser root\n`,
  )
  writeFileSync(
    join(folder, 'acl'),
    `${acl}
user operator
topic write devices/+/commands
user observer
topic read #
user auditor
topic read #
`,
    { mode: 0o600 },
  )
  writeFileSync(
    join(folder, 'users'),
    Object.entries(USERS)
      .map(([name, password]) => `${name}:${password}\n`)
      .join(''),
    { mode: 0o600 },
  )
  if (run('mosquitto_passwd', '-U', join(folder, 'users')) !== 0) throw new Error('mosquitto_passwd failed')
}

function blocks(page: string): readonly string[] {
  return [...readFileSync(`${projectRoot}${page}`, 'utf8').matchAll(/```conf\n([\s\S]*?)```/g)].map((match) => match[1] ?? '')
}

function run(program: string, ...args: readonly string[]): number | null {
  return spawnSync(program, args, { stdio: 'ignore' }).status
}
