import type { DeviceId } from '../../processors/contract.ts'
import type { CredentialKind } from './credentials.ts'
import type { Database } from './database.ts'
import type { Session } from './session.ts'

/** A credential that was issued. */
export interface ListedCredential {
  readonly device: DeviceId
  readonly kind: CredentialKind
  readonly state: 'good' | 'expired' | 'revoked'
  readonly issuedAt: Date
  readonly issuedBy: string
  /** Null for a password. */
  readonly expiresAt: Date | null
  readonly revokedAt: Date | null
  readonly serial: string | null
  readonly fingerprint: string | null
}

/** @param before only those that are good, and expire before then */
export function listCredentials(database: Database, before: Date | undefined): Promise<readonly ListedCredential[]> {
  return database.use((session) =>
    session.query<ListedCredential>(
      'listing credentials',
      `SELECT device_id AS device, kind, issued_at AS "issuedAt", issued_by AS "issuedBy", expires_at AS "expiresAt", revoked_at AS "revokedAt",
         serial, fingerprint, CASE WHEN revoked_at IS NOT NULL THEN 'revoked' WHEN expires_at <= now() THEN 'expired' ELSE 'good' END AS state
       FROM device_credentials
       WHERE $1::timestamptz IS NULL OR (revoked_at IS NULL AND expires_at > now() AND expires_at < $1)
       ORDER BY device_id, id`,
      [before ?? null],
    ),
  )
}

/** What a broker has to know, and the number of the change that it comes from. */
export interface BrokerState {
  readonly version: bigint
  readonly passwords: readonly { readonly device: DeviceId; readonly salt: string; readonly hash: string }[]
  readonly authorities: readonly { readonly certificate: string; readonly revocationList: string }[]
}

/** The number of the last change. */
export function credentialVersion(database: Database): Promise<bigint> {
  return database.use(readVersion)
}

/** All of it, as it was at one moment. */
export function brokerState(database: Database): Promise<BrokerState> {
  return database.use(async (session) => {
    await session.script('reading credentials', 'BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY')
    const version = await readVersion(session)
    const passwords = await session.query<BrokerState['passwords'][number]>(
      'reading credentials',
      'SELECT username AS device, salt, password_hash AS hash FROM broker_passwords ORDER BY username',
    )
    const authorities = await session.query<BrokerState['authorities'][number]>(
      'reading credentials',
      'SELECT certificate, revocation_list AS "revocationList" FROM device_authority ORDER BY fingerprint',
    )
    await session.commit('reading credentials')
    return { version, passwords, authorities }
  })
}

async function readVersion(session: Session): Promise<bigint> {
  const [row] = await session.query<{ version: bigint }>('reading credentials', 'SELECT version FROM device_credential_version')
  if (row === undefined) throw new RangeError('reading credentials: the table device_credential_version has lost its row')
  return row.version
}
