import { createHash } from 'node:crypto'
import { readdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'

/** One numbered step of a database's schema. */
export interface Migration {
  /** File name without `.sql`: 0001-consumer-offset. */
  readonly name: string
  readonly sql: string
}

/** The migrations in a directory cannot be, or no longer are, what the database has. */
export class MigrationError extends Error {
  override readonly name = 'MigrationError'
}

/** A migration that the database has: its name and the SHA-256 of its text. */
export interface AppliedMigration {
  readonly name: string
  readonly checksum: string
}

/**
 * Reads `NNNN-name.sql` files in order.
 * @throws MigrationError where a file is not named so, or a number is missing or there twice
 */
export async function readMigrations(directory: string): Promise<readonly Migration[]> {
  const files = (await readdir(directory)).sort()
  return Promise.all(
    files.map(async (file, index) => {
      const number = String(index + 1).padStart(4, '0')
      if (!new RegExp(`^${number}-[a-z0-9-]+\\.sql$`).test(file)) {
        throw new MigrationError(`${join(directory, file)}: expected ${number}-name.sql`)
      }
      return { name: file.slice(0, -'.sql'.length), sql: await readFile(join(directory, file), 'utf8') }
    }),
  )
}

export function checksum({ sql }: Migration): string {
  return createHash('sha256').update(sql).digest('hex')
}

/**
 * What is left to do.
 * @throws MigrationError where an applied migration was changed, or is unknown here: this is an older Millrace than the database's
 */
export function pendingMigrations(migrations: readonly Migration[], applied: readonly AppliedMigration[]): readonly Migration[] {
  for (const [index, { name, checksum: recorded }] of applied.entries()) {
    const migration = migrations[index]
    if (migration?.name !== name) {
      throw new MigrationError(`the database has migration ${name}, which this version of Millrace does not know: use the newer version`)
    }
    if (checksum(migration) !== recorded) {
      throw new MigrationError(
        `migration ${name} was changed after the database got it: restore it, and put the change into a new migration`,
      )
    }
  }
  return migrations.slice(applied.length)
}
