import { type Machine, numberIn } from '../machine.ts'

/** Whether the clock is held to the time of others; or why that is not known. */
export type TimeSync =
  | { readonly tag: 'synchronised'; readonly by: string; readonly offsetMs: number | undefined }
  | { readonly tag: 'not-synchronised'; readonly by: string }
  | { readonly tag: 'unknown'; readonly why: string }

/** A server on this machine that the line needs. */
export interface Daemon {
  readonly what: 'mosquitto' | 'kafka' | 'postgres'
  readonly pid: number
  readonly command: readonly string[]
  /** Open files that it may have; undefined if only root or its own user may see that. */
  readonly openFiles: number | undefined
}

export interface SystemFacts {
  readonly timeSync: TimeSync
  readonly daemons: readonly Daemon[]
  readonly fileMax: number | undefined
  readonly listenBacklog: number | undefined
  readonly memoryMaps: number | undefined
  /** Undefined if it is not seen. */
  readonly broker: BrokerFile | undefined
}

/** A settings file of Mosquitto, with those that it includes. */
export interface BrokerFile {
  readonly path: string
  readonly settings: ReadonlyMap<string, string>
}

/** @param brokerPort of several brokers on the machine, the line's is the one that listens there */
export async function readSystem(machine: Machine, brokerPort: string): Promise<SystemFacts> {
  const processes = readProcesses(machine)
  const daemons = processes.flatMap((process) => daemonOf(machine, process) ?? [])
  return {
    timeSync: await readTimeSync(machine, new Set(processes.map(({ name }) => name))),
    daemons,
    fileMax: numberIn(machine, '/proc/sys/fs/file-max'),
    listenBacklog: numberIn(machine, '/proc/sys/net/core/somaxconn'),
    memoryMaps: numberIn(machine, '/proc/sys/vm/max_map_count'),
    broker: brokerFile(machine, daemons, brokerPort),
  }
}

interface Process {
  readonly pid: number
  readonly name: string
}

function readProcesses(machine: Machine): readonly Process[] {
  return machine
    .list('/proc')
    .filter((name) => /^\d+$/.test(name))
    .flatMap((pid) => {
      const name = machine.read(`/proc/${pid}/comm`)
      return name === undefined ? [] : { pid: Number(pid), name }
    })
}

function daemonOf(machine: Machine, { pid, name }: Process): Daemon | undefined {
  if (name !== 'mosquitto' && name !== 'postgres' && name !== 'java') return undefined
  const command = (machine.read(`/proc/${pid}/cmdline`) ?? '').split('\0').filter((part) => part !== '')
  // A PostgreSQL process that serves a client has a title instead of arguments.
  const isServer = name === 'postgres' ? command.includes('-D') || command.some((part) => part.startsWith('config_file=')) : true
  const isKafka = command.some((part) => part === 'kafka.Kafka')
  if (name === 'java' ? !isKafka : !isServer) return undefined
  const limit = /^Max open files\s+(\d+|unlimited)/m.exec(machine.read(`/proc/${pid}/limits`) ?? '')?.[1]
  return {
    what: name === 'java' ? 'kafka' : name,
    pid,
    command,
    openFiles: limit === undefined ? undefined : limit === 'unlimited' ? Number.POSITIVE_INFINITY : Number(limit),
  }
}

const TIME_DAEMONS = ['chronyd', 'systemd-timesyn', 'ntpd', 'ptp4l']

async function readTimeSync(machine: Machine, running: ReadonlySet<string>): Promise<TimeSync> {
  const tracking = chronyState(await machine.run('chronyc', ['-c', 'tracking']))
  if (tracking !== undefined) return tracking
  if (machine.file('/run/systemd/timesync/synchronized').tag === 'text')
    return { tag: 'synchronised', by: 'systemd-timesyncd', offsetMs: undefined }
  const told = /^NTPSynchronized=(yes|no)$/m.exec((await machine.run('timedatectl', ['show'])) ?? '')?.[1]
  const daemon = TIME_DAEMONS.find((name) => running.has(name))
  if (told === 'yes') return { tag: 'synchronised', by: daemon ?? 'the kernel', offsetMs: undefined }
  if (told === 'no') return { tag: 'not-synchronised', by: daemon ?? 'nothing' }
  return daemon === undefined
    ? { tag: 'unknown', why: 'none of chronyd, systemd-timesyncd, ntpd and ptp4l is seen here; the host of a virtual machine may do it' }
    : { tag: 'unknown', why: `${daemon} runs, and neither chronyc nor timedatectl says whether it has synchronised` }
}

/**
 * Fields of `chronyc -c tracking`: the fifth is the offset in seconds, the last the leap status.
 */
export function chronyState(printed: string | undefined): TimeSync | undefined {
  const fields = printed?.trim().split(',') ?? []
  if (fields.length < 14) return undefined
  if (fields.at(-1) === 'Not synchronised') return { tag: 'not-synchronised', by: 'chronyd' }
  return { tag: 'synchronised', by: 'chronyd', offsetMs: Math.abs(Number(fields[4])) * 1_000 }
}

function brokerFile(machine: Machine, daemons: readonly Daemon[], port: string): BrokerFile | undefined {
  const started = daemons.flatMap(({ what, command }) => (what === 'mosquitto' ? (command[command.indexOf('-c') + 1] ?? []) : []))
  const files = [...new Set([...started, '/etc/mosquitto/mosquitto.conf'])].flatMap((path) => {
    const settings = withIncluded(machine, path)
    return settings === undefined ? [] : { path, settings }
  })
  const listens = ({ settings }: BrokerFile): boolean =>
    [settings.get('listener'), settings.get('port')].some((at) => at?.split(' ')[0] === port)
  return files.find(listens) ?? (files.length === 1 ? files[0] : undefined)
}

function withIncluded(machine: Machine, path: string): ReadonlyMap<string, string> | undefined {
  const text = machine.read(path)
  if (text === undefined) return undefined
  const settings = parseBrokerSettings(text)
  const more = settings.get('include_dir')
  if (more === undefined) return settings
  const included = machine.list(more).filter((name) => name.endsWith('.conf'))
  return new Map([...settings, ...included.flatMap((name) => [...parseBrokerSettings(machine.read(`${more}/${name}`) ?? '')])])
}

/** Mosquitto's own form: a name, a blank, a value. The last of a name counts. */
function parseBrokerSettings(text: string): ReadonlyMap<string, string> {
  return new Map([...text.matchAll(/^[ \t]*([a-z_]+)[ \t]+(.+?)[ \t]*$/gm)].map(([, name = '', value = '']) => [name, value]))
}
