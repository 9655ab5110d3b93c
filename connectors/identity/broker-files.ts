import { existsSync, mkdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { ConnectorError } from '../contract.ts'
import { replaceFile } from './files.ts'
import { type PasswordHash, passwordLine } from './passwords.ts'

/** Where a Mosquitto has its files. */
export interface BrokerFiles {
  /** `passwords`, `devices.pem` and `revoked.pem` are written there. */
  readonly folder: string
  /** Lines of Mosquitto's password file for users who are no devices. */
  readonly users?: string | undefined
  /** Where the broker has written its process ID: it is told to read its files again. */
  readonly pidFile?: string | undefined
}

/** What is in them. */
export interface BrokerContent {
  readonly passwords: readonly (PasswordHash & { readonly device: string })[]
  /** Those who sign certificates of devices, and the lists of what they have revoked, as PEM. */
  readonly authorities: readonly { readonly certificate: string; readonly revocationList: string }[]
}

/**
 * `told`: the broker was; `not-running`: it reads the files when it starts; `nobody`: no PID file
 * is set.
 */
export type Told = 'told' | 'not-running' | 'nobody'

/** The group of the folder is the broker's. */
const MODE = 0o640

/**
 * Writes the files of a broker, each in one step, and tells it. A broker that reads them ends the
 * sessions of users whose password is no longer theirs.
 * @throws ConnectorError if a file cannot be read or written, or the broker cannot be told
 */
export function writeBrokerFiles({ folder, users, pidFile }: BrokerFiles, { passwords, authorities }: BrokerContent): Told {
  try {
    mkdirSync(folder, { recursive: true })
    const others = users === undefined ? '' : withLineEnd(readFileSync(users, 'utf8'))
    const devices = passwords.map((each) => passwordLine(each.device, each)).join('')
    replaceFile(join(folder, 'passwords'), others + devices, MODE)
    replaceFile(join(folder, 'devices.pem'), authorities.map(({ certificate }) => certificate).join(''), MODE)
    replaceFile(join(folder, 'revoked.pem'), authorities.map(({ revocationList }) => revocationList).join(''), MODE)
    return pidFile === undefined ? 'nobody' : tell(pidFile)
  } catch (cause) {
    throw new ConnectorError('BROKER_FILES', true, `writing the broker's files in ${folder}`, cause)
  }
}

function withLineEnd(text: string): string {
  return text === '' || text.endsWith('\n') ? text : `${text}\n`
}

function tell(pidFile: string): Told {
  if (!existsSync(pidFile)) return 'not-running'
  const text = readFileSync(pidFile, 'utf8').trim()
  const pid = Number(text)
  if (!Number.isInteger(pid) || pid < 2) throw new RangeError(`${pidFile}: expected a process ID, got ${JSON.stringify(text)}`)
  try {
    process.kill(pid, 'SIGHUP')
    return 'told'
  } catch (cause) {
    if (cause instanceof Error && 'code' in cause && cause.code === 'ESRCH') return 'not-running'
    throw cause
  }
}
