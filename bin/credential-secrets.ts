import { mkdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { type Authority, newDeviceKey } from '../connectors/identity/authority.ts'
import { newPassword } from '../connectors/identity/passwords.ts'
import { readRequest, type SigningRequest } from '../connectors/identity/request.ts'
import type { NewCredential } from '../connectors/postgres/credentials.ts'
import type { DeviceId } from '../processors/contract.ts'
import { ConfigError } from '../services/config.ts'
import { UsageError } from './command-line.ts'
import { print } from './print.ts'

/** Options that say which kind of credential. */
export interface CredentialOptions {
  readonly password?: true | undefined
  readonly certificate?: true | undefined
  readonly csr?: string | undefined
  readonly out?: string | undefined
}

export type WantedCredential =
  | { readonly kind: 'password' }
  | { readonly kind: 'certificate'; readonly out: string; readonly csr: string | undefined }

/** Makes credentials; what is secret of them is kept until it is handed over. */
export interface Maker {
  readonly make: (device: DeviceId) => NewCredential
  /** Prints passwords, and writes certificates and keys. Once. */
  handOver(): void
}

/** @throws UsageError */
export function wantedCredential({ password, certificate, csr, out }: CredentialOptions): WantedCredential | undefined {
  if (password === true) {
    if (out !== undefined) throw new UsageError('--out: expected --certificate or --csr with it; a password is printed')
    return { kind: 'password' }
  }
  if (certificate === undefined && csr === undefined) {
    if (out !== undefined) throw new UsageError('--out: expected --certificate or --csr with it')
    return undefined
  }
  if (certificate !== undefined && csr !== undefined)
    throw new UsageError('--certificate: expected nothing beside --csr, which has the key already')
  if (out === undefined) throw new UsageError('expected --out with the folder for certificates')
  return { kind: 'certificate', out, csr }
}

/** Says what was done. If passwords go to standard output, nothing else does. */
export function sayBeside(wanted: WantedCredential | undefined, line: string): void {
  if (wanted?.kind === 'password') process.stderr.write(`${line}\n`)
  else print(line)
}

/**
 * Reads and checks everything that it needs, before anything is changed.
 * @throws ConfigError that names the file and what was expected
 */
export function createMaker(wanted: WantedCredential, devices: readonly DeviceId[], until: Date, authority: Authority | undefined): Maker {
  if (wanted.kind === 'password') return passwordMaker()
  if (authority === undefined) throw new RangeError('making certificates without an authority')
  const requests = wanted.csr === undefined ? undefined : readRequests(wanted.csr, devices)
  mkdirSync(wanted.out, { recursive: true, mode: 0o700 })
  return certificateMaker(wanted.out, requests, until, authority)
}

function passwordMaker(): Maker {
  const made: string[] = []
  return {
    make: (device) => {
      const { password, salt, hash } = newPassword()
      made.push(`${device}\t${password}\n`)
      return { kind: 'password', device, salt, hash }
    },
    handOver: () => void process.stdout.write(made.splice(0).join('')),
  }
}

function certificateMaker(
  out: string,
  requests: ReadonlyMap<DeviceId, SigningRequest> | undefined,
  until: Date,
  authority: Authority,
): Maker {
  const made: { readonly device: DeviceId; readonly pem: string; readonly key: string | undefined }[] = []
  return {
    make: (device) => {
      const own = requests === undefined ? newDeviceKey() : undefined
      const publicKey = own?.publicKey ?? requests?.get(device)?.publicKey
      if (publicKey === undefined) throw new RangeError(`there is no key of ${device}`)
      const { pem, serial, fingerprint } = authority.certify({ name: device, publicKey, until })
      made.push({ device, pem, key: own?.pem })
      return { kind: 'certificate', device, serial, fingerprint, until }
    },
    handOver: () => {
      for (const { device, pem, key } of made.splice(0)) {
        if (key !== undefined) anew(join(out, `${device}.key`), key, 0o600)
        anew(join(out, `${device}.pem`), pem, 0o644)
      }
    },
  }
}

/** In place of a file that may have been readable to others. */
function anew(path: string, content: string, mode: number): void {
  rmSync(path, { force: true })
  writeFileSync(path, content, { mode, flag: 'wx' })
}

function readRequests(path: string, devices: readonly DeviceId[]): ReadonlyMap<DeviceId, SigningRequest> {
  const inFolder = within(path, () => statSync(path).isDirectory())
  if (!inFolder && devices.length !== 1)
    throw new ConfigError(`${path}: expected a folder with ID.csr for each of ${devices.length} devices`)
  return new Map(
    devices.map((device) => {
      const file = inFolder ? join(path, `${device}.csr`) : path
      const request = within(file, () => readRequest(readFileSync(file, 'utf8')))
      if (request.name !== undefined && request.name !== device)
        throw new ConfigError(`${file}: expected a request of ${device}, got one of ${JSON.stringify(request.name)}`)
      return [device, request]
    }),
  )
}

function within<Value>(path: string, read: () => Value): Value {
  try {
    return read()
  } catch (cause) {
    throw new ConfigError(`${path}: ${cause instanceof Error ? cause.message : String(cause)}`, { cause })
  }
}
