import { pbkdf2Sync, randomBytes } from 'node:crypto'

/** What is kept of a password. */
export interface PasswordHash {
  /** 12 characters, whose bytes are the salt. */
  readonly salt: string
  /** In hexadecimal. */
  readonly hash: string
}

/**
 * A password of 192 random bits has nothing to gain from more: nobody can try them all. A broker
 * computes it for each connection, and Mosquitto for all that are open when it reads its files.
 */
const ITERATIONS = 1
const HASH_BYTES = 64
const PASSWORD_BYTES = 24
/** Mosquitto wants salts of 12 bytes. */
const SALT_BYTES = 9

/** A password, and what is kept of it. Its 32 characters mean the same in every file and URL. */
export function newPassword(): PasswordHash & { readonly password: string } {
  const password = randomBytes(PASSWORD_BYTES).toString('base64url')
  const salt = randomBytes(SALT_BYTES).toString('base64url')
  return { password, salt, hash: pbkdf2Sync(password, salt, ITERATIONS, HASH_BYTES, 'sha512').toString('hex') }
}

/** A line of Mosquitto's password file, with the end of the line. */
export function passwordLine(user: string, { salt, hash }: PasswordHash): string {
  return `${user}:$7$${ITERATIONS}$${Buffer.from(salt).toString('base64')}$${Buffer.from(hash, 'hex').toString('base64')}\n`
}
