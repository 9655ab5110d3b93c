import { createHash } from 'node:crypto'
import { readdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'

/** One numbered step of a database's schema. */
export interface Migration {
  /**
   * File name without `.sql`: 0001-consumer-offset. Of a business process that has its own, after
   * the name of the process: frost-log/0001-frost-log.
   */
  readonly name: string
  readonly sql: string
}

/** The migrations in a directory are wrong, or do not fit those that the database has. */
export class MigrationError extends Error {
  override readonly name = 'MigrationError'
}

/** A migration that the database has: its name and the SHA-256 of its text. */
export interface AppliedMigration {
  readonly name: string
  readonly checksum: string
}

/**
 * Reads `NNNN-name.sql` files in order. Numbers may be left out: two people who write migrations at
 * the same time take different numbers, and either may come first.
 * @param owner the business process that they belong to, if they are not Millrace's
 * @throws MigrationError if a file is not named so, or a number is there twice
 */
export async function readMigrations(directory: string, owner?: string): Promise<readonly Migration[]> {
  const files = (await readdir(directory)).sort()
  return Promise.all(
    files.map(async (file, index) => {
      const place = join(directory, file)
      if (!/^\d{4}-[a-z0-9-]+\.sql$/.test(file)) throw new MigrationError(`${place}: expected NNNN-name.sql`)
      const before = files[index - 1]
      if (before?.slice(0, 4) === file.slice(0, 4)) throw new MigrationError(`${place}: ${before} has this number already`)
      const name = file.slice(0, -'.sql'.length)
      return { name: owner === undefined ? name : `${owner}/${name}`, sql: await readFile(place, 'utf8') }
    }),
  )
}

export function checksum({ sql }: Migration): string {
  return createHash('sha256').update(sql).digest('hex')
}

/**
 * The migrations left to do, in order. One may have a lower number than an applied one.
 * @throws MigrationError if an applied migration was changed, or is unknown here: this is an older
 *   Millrace than the database's. One of a business process that is not configured now is left
 *   alone
 */
export function pendingMigrations(migrations: readonly Migration[], applied: readonly AppliedMigration[]): readonly Migration[] {
  const known = new Map(migrations.map((migration) => [migration.name, migration]))
  for (const { name, checksum: recorded } of applied) {
    const migration = known.get(name)
    if (migration === undefined) {
      if (name.includes('/')) continue
      throw new MigrationError(`the database has migration ${name}, which this version of Millrace does not know: use the newer version`)
    }
    if (checksum(migration) !== recorded) {
      throw new MigrationError(
        `migration ${name} was changed after the database got it: restore it, and put the change into a new migration`,
      )
    }
  }
  const done = new Set(applied.map(({ name }) => name))
  return migrations.filter(({ name }) => !done.has(name))
}
