import { expect } from 'chai'
import fc from 'fast-check'
import { checksum, type Migration, MigrationError, pendingMigrations } from './migrations.ts'

const migrations: readonly Migration[] = ['a', 'b', 'c'].map((name, index) => ({
  name: `000${index + 1}-${name}`,
  sql: `SELECT '${name}'`,
}))
const applied = (list: readonly Migration[]) => list.map((migration) => ({ name: migration.name, checksum: checksum(migration) }))

describe('pending migrations', () => {
  it('are those that the database does not have, in order', () => {
    fc.assert(
      fc.property(fc.nat(3), (count) => {
        expect(pendingMigrations(migrations, applied(migrations.slice(0, count)))).to.deep.equal(migrations.slice(count))
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
})
