import type { ArchiveColumn } from '../../processors/store/archive-figures.ts'
import type { ConflictPolicy } from '../../processors/store/merge-columns.ts'
import { quotedName } from './duckdb.ts'

/*
 * The rules of processors/store/merge-columns.ts, for rows of archive and table that have the same
 * key: column i is `a<i>` in the archive and `l<i>` in the late row. For DuckDB too, two NaN are
 * the same, and so are 0 and −0.
 */

const KEY: ReadonlySet<string> = new Set(['device_id', 'ts', 'time_estimated'])

/** A SELECT list of merged rows, in the order of the columns. */
export function mergedColumns(columns: readonly ArchiveColumn[], policy: ConflictPolicy): string {
  return columns
    .map(({ name }, index) => {
      const [there, given] = [`a${index}`, `l${index}`]
      const merged = (): string => {
        if (name === 'time_estimated') return `${there} OR (${given} AND ${changed(columns, policy)})`
        if (KEY.has(name)) return there
        const plain =
          policy === 'keep-first'
            ? `coalesce(${there}, ${given})`
            : `CASE WHEN ${given} IS NULL OR ${there} = ${given} THEN ${there} ELSE ${given} END`
        if (name !== 'site_id') return plain
        return `CASE WHEN ${otherAccount(columns)} THEN ${policy === 'keep-first' ? there : given} ELSE ${plain} END`
      }
      return `${merged()} AS ${quotedName(name)}`
    })
    .join(', ')
}

/** Whether a column has another value. */
export function conflict(columns: readonly ArchiveColumn[]): string {
  return either(columns, (index) => `(a${index} <> l${index})`)
}

/** Whether the late row has something new, and contradicts nothing. */
export function onlyAdds(columns: readonly ArchiveColumn[]): string {
  return `(${adds(columns)} AND NOT ${conflict(columns)})`
}

function adds(columns: readonly ArchiveColumn[]): string {
  return either(columns, (index) => `(a${index} IS NULL AND l${index} IS NOT NULL)`)
}

function changed(columns: readonly ArchiveColumn[], policy: ConflictPolicy): string {
  return policy === 'keep-first' ? adds(columns) : `(${adds(columns)} OR ${conflict(columns)})`
}

/** A site belongs to its account: of another account it counts neither as new nor as a conflict. */
function either(columns: readonly ArchiveColumn[], test: (index: number) => string): string {
  const tests = columns.flatMap(({ name }, index) => {
    if (KEY.has(name)) return []
    const own = `coalesce(${test(index)}, false)`
    return [name === 'site_id' ? `(NOT ${otherAccount(columns)} AND ${own})` : own]
  })
  return tests.length === 0 ? 'false' : `(${tests.join(' OR ')})`
}

function otherAccount(columns: readonly ArchiveColumn[]): string {
  const account = columns.findIndex(({ name }) => name === 'account_id')
  return account < 0 ? 'false' : `coalesce(a${account} <> l${account}, false)`
}
