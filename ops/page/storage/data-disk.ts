import { readlinkSync } from 'node:fs'
import { statfs } from 'node:fs/promises'
import { hostname } from 'node:os'
import { serversOf } from '../../../connectors/postgres/servers.ts'
import type { Session } from '../../../connectors/postgres/session.ts'
import { fileSystemOf } from '../../doctor/facts/disks.ts'
import { openMachine } from '../../doctor/machine.ts'
import type { DatabaseDisk } from './messages.ts'

/** The server's process behind a session, as the server sees both. */
export interface Backend extends Record<string, unknown> {
  readonly pid: number
  readonly user: string
  readonly database: string
  /** Address and port of this end of the connection; null for one through a Unix socket. */
  readonly client: string | null
  readonly port: number | null
}

const ELSEWHERE = 'its server is not seen on this machine: it is another one, or a container'
const HIDDEN = 'only its own user and root may see where its data directory is'

/**
 * The file system that a database's data directory is on, if its server runs here. PostgreSQL tells
 * nobody how much room it has, and an address on loopback may lead to another machine. So the
 * session's process is looked for here, by its number and by its title, which has the port of this
 * very connection; the file system is the one that the process itself works in.
 */
export async function diskOf(session: Session): Promise<Pick<DatabaseDisk, 'fileSystem' | 'unseen'>> {
  const [backend] = await session.query<Backend>(
    'asking for the process behind the session',
    `SELECT pg_backend_pid() AS pid, session_user::text AS "user", current_database()::text AS database,
       host(inet_client_addr()) AS client, inet_client_port() AS port`,
  )
  const machine = openMachine('/')
  if (backend === undefined || !isBackend(machine.read(`/proc/${backend.pid}/cmdline`), backend))
    return { fileSystem: null, unseen: ELSEWHERE }
  const [own, directory] = [linkOf('/proc/self/ns/mnt'), linkOf(`/proc/${backend.pid}/cwd`)]
  if (directory === undefined) return { fileSystem: null, unseen: HIDDEN }
  // In a container of its own the same path is another place.
  if (own === undefined || linkOf(`/proc/${backend.pid}/ns/mnt`) !== own) return { fileSystem: null, unseen: ELSEWHERE }
  const found = fileSystemOf(machine, directory)
  if (found === undefined) return { fileSystem: null, unseen: 'this machine does not say what is mounted' }
  const { blocks, bavail, bsize } = await statfs(directory)
  const { mountedAt, type } = found
  return { fileSystem: { machine: hostname(), mountedAt, type, totalBytes: blocks * bsize, freeBytes: bavail * bsize }, unseen: null }
}

/**
 * Whether the title of a process is that of a backend, as ps shows it:
 * `postgres: main: millrace_reader telemetry 127.0.0.1(33836) SELECT`.
 * @param title undefined if there is no such process
 */
export function isBackend(title: string | undefined, { user, database, client, port }: Backend): boolean {
  const from = client === null ? '[local]' : `${client}(${port})`
  return title?.startsWith('postgres: ') === true && `${title.replaceAll('\0', ' ')} `.includes(` ${user} ${database} ${from} `)
}

/** The servers of an address, each as in db.example:5432, or the folder of a Unix socket. */
export function shownServers(url: string): string {
  return serversOf(url)
    .urls.map((each) => {
      const { hostname, port, searchParams } = new URL(each)
      const host = searchParams.get('host') ?? decodeURIComponent(hostname)
      return host.startsWith('/') || host === '' ? host || 'Unix socket' : `${host}:${port || 5432}`
    })
    .join(', ')
}

/** Undefined if there is none, or if it is denied. */
function linkOf(path: string): string | undefined {
  try {
    return readlinkSync(path)
  } catch (cause) {
    const { code } = cause as NodeJS.ErrnoException
    if (code === undefined) throw cause
    return undefined
  }
}
