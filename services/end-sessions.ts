import { setTimeout as sleep } from 'node:timers/promises'
import { type Authority, newDeviceKey } from '../connectors/identity/authority.ts'
import { takeSession } from '../connectors/mqtt/take-session.ts'
import type { RevokedCredential } from '../connectors/postgres/credentials.ts'

export interface SessionsToEnd {
  /** mqtts://host:port of the listeners for certificates. */
  readonly brokers: readonly string[]
  readonly caFile: string | undefined
  readonly authority: Authority
  readonly revoked: readonly RevokedCredential[]
  /** `discard`: what waits for the device as well, since it has no other credential. */
  readonly queued: 'keep' | 'discard'
}

/** A broker where a session may still be open. */
export interface SessionLeft {
  readonly broker: string
  readonly devices: number
  readonly because: string
}

/** Until then a broker must have been told of what is revoked. */
const MOST_WAIT_MS = 15_000
const AGAIN_MS = 100
const LIFE_MS = 300_000
const AT_ONCE = 8

/**
 * Ends the open sessions of devices whose credentials were revoked. For Mosquitto refuses a revoked
 * certificate to those who come, and leaves those who are there. A session has one connection, and
 * the authority can make certificates: so somebody comes as the device and takes its session over.
 *
 * Before that, the broker must refuse the revoked certificate, or the device would be back at once.
 * That is tried with a certificate of the same serial number: the list of what is revoked knows no
 * more of it.
 */
export async function endSessions({ brokers, revoked, ...options }: SessionsToEnd): Promise<readonly SessionLeft[]> {
  const left = await Promise.all(
    brokers.map(async (broker): Promise<SessionLeft | undefined> => {
      const waiting = [...devicesOf(revoked)]
      let failed: { devices: number; because: string } | undefined
      await Promise.all(
        Array.from({ length: AT_ONCE }, async () => {
          for (let next = waiting.pop(); next !== undefined; next = waiting.pop()) {
            const because = await endSession(broker, next, options)
            if (because !== undefined) failed = { devices: (failed?.devices ?? 0) + 1, because }
          }
        }),
      )
      return failed === undefined ? undefined : { broker, ...failed }
    }),
  )
  return left.filter((each) => each !== undefined)
}

interface Device {
  readonly name: string
  readonly serials: readonly string[]
}

function devicesOf(revoked: readonly RevokedCredential[]): Iterable<Device> {
  const devices = new Map<string, string[]>()
  for (const { device, serial } of revoked) devices.set(device, [...(devices.get(device) ?? []), ...(serial === null ? [] : [serial])])
  return [...devices].map(([name, serials]) => ({ name, serials }))
}

/** @returns why the session may still be open; undefined if it is not */
async function endSession(
  url: string,
  { name, serials }: Device,
  { caFile, authority, queued }: Omit<SessionsToEnd, 'brokers' | 'revoked'>,
): Promise<string | undefined> {
  const come = (serial?: string): Promise<'taken' | 'revoked'> => {
    const { publicKey, pem: key } = newDeviceKey()
    const until = new Date(Date.now() + LIFE_MS)
    const { pem: cert } = authority.certify({ name, publicKey, until, ...(serial === undefined ? {} : { serial }) })
    return takeSession({ url, caFile, name, certificate: { cert, key }, queued })
  }
  try {
    const deadline = Date.now() + MOST_WAIT_MS
    for (const serial of serials)
      while ((await come(serial)) !== 'revoked') {
        if (Date.now() > deadline) return `it takes the revoked certificate of ${name}: has it been told of the new list?`
        await sleep(AGAIN_MS)
      }
    await come()
    return undefined
  } catch (cause) {
    return cause instanceof Error ? cause.message : String(cause)
  }
}
