import type { DeviceId } from '../../processors/contract.ts'
import type { Database } from './database.ts'
import type { Session } from './session.ts'

export const CREDENTIAL_KINDS = ['certificate', 'password'] as const
export type CredentialKind = (typeof CREDENTIAL_KINDS)[number]

/** What is kept of a credential that was made. */
export type NewCredential =
  | { readonly kind: 'certificate'; readonly device: DeviceId; readonly serial: string; readonly fingerprint: string; readonly until: Date }
  | { readonly kind: 'password'; readonly device: DeviceId; readonly salt: string; readonly hash: string }

/** Signs for a change of certificates: its key is with whoever makes the change. */
export interface SigningAuthority {
  readonly fingerprint: string
  readonly pem: string
  revocationList(revoked: readonly { readonly serial: string; readonly at: Date }[], at: Date): string
}

interface Change {
  readonly devices: readonly DeviceId[]
  /** Undefined where there is none: then no certificate is issued or revoked. */
  readonly authority: SigningAuthority | undefined
}

export interface Issue extends Change {
  readonly kind: CredentialKind
  /** Who issues them. */
  readonly by: string
  /**
   * With what is good already of this kind: `leave` it and issue none, `revoke` it, or `keep` it
   * beside the new one.
   */
  readonly present: 'leave' | 'revoke' | 'keep'
  readonly make: (device: DeviceId) => NewCredential
}

/** One that was revoked now. */
export interface RevokedCredential {
  readonly device: DeviceId
  readonly kind: CredentialKind
  readonly serial: string | null
}

export interface Issued {
  readonly issued: readonly NewCredential[]
  /** Devices that have one already. */
  readonly left: readonly DeviceId[]
  readonly revoked: readonly RevokedCredential[]
}

/** Credentials cannot be changed as asked; nothing was. */
export class CredentialError extends Error {
  override readonly name = 'CredentialError'
}

const MOST_NAMED = 5
const GOOD = '(revoked_at IS NULL AND (expires_at IS NULL OR expires_at > now()))'

/**
 * Makes credentials for devices, in one transaction: they are written down, or not made.
 * @throws CredentialError if a device is not known, and no gateway with rules
 */
export function issueCredentials(database: Database, issue: Issue): Promise<Issued> {
  return database.use(async (session) => {
    await begin(session)
    await refuseUnknown(session, issue.devices)
    const present = await session.query<{ device: DeviceId }>(
      'looking for credentials',
      `SELECT DISTINCT device_id AS device FROM device_credentials WHERE device_id = ANY($1::text[]) AND kind = $2 AND ${GOOD}`,
      [issue.devices, issue.kind],
    )
    const has = new Set(present.map(({ device }) => device))
    const left = issue.present === 'leave' ? issue.devices.filter((device) => has.has(device)) : []
    const wanted = issue.present === 'leave' ? issue.devices.filter((device) => !has.has(device)) : issue.devices
    const revoked = issue.present === 'revoke' ? await revoke(session, { ...issue, devices: wanted }, `AND kind = '${issue.kind}'`) : []
    if (issue.kind === 'certificate') await knowAuthority(session, issue.authority)
    const issued = wanted.map(issue.make)
    await insert(session, issued, issue)
    await session.commit('issuing credentials')
    return { issued, left, revoked }
  })
}

/**
 * Revokes credentials of devices; a repeat changes nothing.
 * @param which `older`: of each kind all but the newest
 * @throws CredentialError if a certificate is another authority's: its list is not ours to sign
 */
export function revokeCredentials(database: Database, change: Change, which: 'all' | 'older'): Promise<readonly RevokedCredential[]> {
  return database.use(async (session) => {
    await begin(session)
    await refuseUnknown(session, change.devices)
    const older = `AND id <> (SELECT max(newest.id) FROM device_credentials newest
      WHERE newest.device_id = device_credentials.device_id AND newest.kind = device_credentials.kind)`
    const revoked = await revoke(session, change, which === 'all' ? '' : older)
    await session.commit('revoking credentials')
    return revoked
  })
}

/** Those that change credentials do so one after the other. */
async function begin(session: Session): Promise<void> {
  await session.script('changing credentials', 'BEGIN; UPDATE device_credential_version SET version = version + 1')
}

async function refuseUnknown(session: Session, devices: readonly DeviceId[]): Promise<void> {
  const unknown = await session.query<{ id: string }>(
    'looking for devices',
    `SELECT id FROM unnest($1::text[]) AS given (id)
     WHERE NOT EXISTS (SELECT FROM devices WHERE devices.id = given.id)
       AND NOT EXISTS (SELECT FROM gateway_devices WHERE gateway = given.id)
       AND NOT EXISTS (SELECT FROM device_credentials WHERE device_id = given.id)`,
    [devices],
  )
  if (unknown.length === 0) return
  const named = unknown.slice(0, MOST_NAMED).map(({ id }) => id)
  const more = unknown.length > MOST_NAMED ? ` and ${unknown.length - MOST_NAMED} more` : ''
  throw new CredentialError(`${named.join(', ')}${more}: expected devices, or gateways that have rules; provision first`)
}

async function insert(session: Session, made: readonly NewCredential[], { by, authority }: Issue): Promise<void> {
  const column = <Value>(of: (each: NewCredential) => Value): readonly Value[] => made.map(of)
  await session.query(
    'issuing credentials',
    `INSERT INTO device_credentials (device_id, kind, serial, fingerprint, expires_at, salt, hash, issued_by, authority)
     SELECT device, kind, serial, fingerprint, until, salt, hash, $8, CASE WHEN kind = 'certificate' THEN $9 END
     FROM unnest($1::text[], $2::text[], $3::text[], $4::text[], $5::timestamptz[], $6::text[], $7::text[])
       AS made (device, kind, serial, fingerprint, until, salt, hash)`,
    [
      column(({ device }) => device),
      column(({ kind }) => kind),
      column((each) => (each.kind === 'certificate' ? each.serial : null)),
      column((each) => (each.kind === 'certificate' ? each.fingerprint : null)),
      column((each) => (each.kind === 'certificate' ? each.until : null)),
      column((each) => (each.kind === 'password' ? each.salt : null)),
      column((each) => (each.kind === 'password' ? each.hash : null)),
      by,
      authority?.fingerprint ?? null,
    ],
  )
}

async function revoke(session: Session, { devices, authority }: Change, which: string): Promise<readonly RevokedCredential[]> {
  const revoked = await session.query<RevokedCredential & { readonly authority: string | null }>(
    'revoking credentials',
    `UPDATE device_credentials SET revoked_at = clock_timestamp(), salt = NULL, hash = NULL
     WHERE device_id = ANY($1::text[]) AND revoked_at IS NULL ${which}
     RETURNING device_id AS device, kind, serial, authority`,
    [devices],
  )
  const foreign = revoked.find((each) => each.authority !== null && each.authority !== authority?.fingerprint)
  if (foreign !== undefined)
    throw new CredentialError(
      `${foreign.device}: its certificate was signed by the authority with fingerprint ${foreign.authority}, and only that one can revoke it: name it in identity.authority`,
    )
  if (authority !== undefined && revoked.some(({ kind }) => kind === 'certificate')) await knowAuthority(session, authority)
  return revoked.map(({ device, kind, serial }) => ({ device, kind, serial }))
}

/** The authority with a list of all that it has revoked and that would otherwise still be good. */
async function knowAuthority(session: Session, authority: SigningAuthority | undefined): Promise<void> {
  if (authority === undefined) throw new RangeError('changing certificates without an authority')
  const revoked = await session.query<{ serial: string; at: Date }>(
    'listing what is revoked',
    'SELECT serial, revoked_at AS at FROM device_credentials WHERE authority = $1 AND revoked_at IS NOT NULL AND expires_at > now() ORDER BY id',
    [authority.fingerprint],
  )
  const [now] = await session.query<{ at: Date }>('listing what is revoked', 'SELECT clock_timestamp() AS at')
  if (now === undefined) throw new RangeError('listing what is revoked: the database returned no time')
  await session.query(
    'keeping the authority',
    `INSERT INTO device_authority (fingerprint, certificate, revocation_list) VALUES ($1, $2, $3)
     ON CONFLICT (fingerprint) DO UPDATE SET revocation_list = excluded.revocation_list`,
    [authority.fingerprint, authority.pem, authority.revocationList(revoked, now.at)],
  )
}

/** Makes an authority known before it has issued anything, so that a broker can be set up. */
export function announceAuthority(database: Database, authority: SigningAuthority): Promise<void> {
  return database.use(async (session) => {
    await begin(session)
    await knowAuthority(session, authority)
    await session.commit('keeping the authority')
  })
}
