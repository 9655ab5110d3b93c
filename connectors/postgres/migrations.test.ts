import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect } from 'chai'
import fc from 'fast-check'
import { checksum, type Migration, MigrationError, pendingMigrations, readMigrations } from './migrations.ts'

const migrations: readonly Migration[] = ['a', 'b', 'c'].map((name, index) => ({
  name: `000${index + 1}-${name}`,
  sql: `SELECT '${name}'`,
}))
const applied = (list: readonly Migration[]) => list.map((migration) => ({ name: migration.name, checksum: checksum(migration) }))

describe('pending migrations', () => {
  it('are those that the database does not have, in order, whichever those are', () => {
    fc.assert(
      fc.property(fc.subarray([...migrations]), (has) => {
        expect(pendingMigrations(migrations, applied(has))).to.deep.equal(migrations.filter((each) => !has.includes(each)))
      }),
    )
  })

  it('are refused when an applied one was changed, by its name', () => {
    const changed = migrations.map((migration, index) => (index === 1 ? { ...migration, sql: 'SELECT 2' } : migration))
    expect(() => pendingMigrations(changed, applied(migrations))).to.throw(MigrationError, '0002-b was changed')
  })

  it('are refused when the database has one that is unknown here', () => {
    expect(() => pendingMigrations(migrations.slice(0, 2), applied(migrations))).to.throw(MigrationError, '0003-c')
  })

  it('leave alone those of a business process that is not configured now, and refuse a changed one of a process that is', () => {
    const own = { name: 'frost-log/0001-frost-log', sql: 'SELECT 1' }
    expect(pendingMigrations(migrations, applied([own, ...migrations]))).to.deep.equal([])
    expect(pendingMigrations([...migrations, own], applied(migrations))).to.deep.equal([own])
    expect(() => pendingMigrations([{ ...own, sql: 'SELECT 2' }], applied([own]))).to.throw(
      MigrationError,
      'frost-log/0001-frost-log was changed',
    )
  })
})

describe('the directory of migrations', () => {
  let directory: string

  beforeEach(async () => {
    directory = await mkdtemp(join(tmpdir(), 'millrace-migrations-'))
  })
  afterEach(() => rm(directory, { recursive: true }))

  const read = async (...files: readonly string[]): Promise<readonly string[]> => {
    for (const file of files) await writeFile(join(directory, file), 'SELECT 1')
    return (await readMigrations(directory)).map(({ name }) => name)
  }

  it('is read in order of the numbers, of which some may be missing', async () => {
    expect(await read('0006-c.sql', '0001-a.sql', '0003-b.sql')).to.deep.equal(['0001-a', '0003-b', '0006-c'])
  })

  it('gives the migrations of a business process under its name', async () => {
    await writeFile(join(directory, '0001-a.sql'), 'SELECT 1')
    expect(await readMigrations(directory, 'frost-log')).to.deep.equal([{ name: 'frost-log/0001-a', sql: 'SELECT 1' }])
  })

  it('is refused with a number that is there twice, or a name that is none', async () => {
    expect(await read('0001-a.sql', '0001-b.sql').catch(String)).to.include('0001-a.sql has this number already')
    await rm(join(directory, '0001-b.sql'))
    expect(await read('2-b.sql').catch(String)).to.include('expected NNNN-name.sql')
  })
})
