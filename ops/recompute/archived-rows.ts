import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { openDuck } from '../../connectors/archive/duckdb.ts'
import { exportRows } from '../../connectors/archive/parquet-day.ts'
import { openPlaceToRead } from '../../connectors/archive/read-place.ts'
import { ConnectorError } from '../../connectors/contract.ts'
import type { ArchivedDay } from '../../connectors/postgres/archived-days.ts'
import { archiveColumns } from '../../connectors/postgres/day-export.ts'
import { dayOf } from '../../connectors/postgres/days.ts'
import { loadArchived, type Scope, within } from '../../connectors/postgres/recompute-shadow.ts'
import type { Session } from '../../connectors/postgres/session.ts'
import { dayFolder, FILE_NAME } from '../../processors/store/archive-manifest.ts'

/**
 * Loads what the archive has of the scope into the shadow's table of it, to be compared.
 * Nothing of the archive changes.
 */
export async function loadArchivedDays(
  session: Session,
  scope: Scope,
  days: readonly ArchivedDay[],
  env: NodeJS.ProcessEnv,
): Promise<void> {
  if (days.length === 0) return
  const folder = await mkdtemp(join(tmpdir(), 'millrace-recompute-'))
  try {
    await using duck = await openDuck(folder)
    const ofTable = await archiveColumns(session)
    for (const { day, location } of days) {
      await using place = await openPlaceToRead(location, env)
      const path = await place.read(`${dayFolder(day)}/${FILE_NAME}`)
      if (path === undefined)
        throw new ConnectorError(
          'archive-missing',
          false,
          `the archive has no readings of ${day}: expected ${place.location}/${dayFolder(day)}/${FILE_NAME}, which must be within reach of this machine`,
        )
      const present = await duck.rows(
        'reading the columns of an archived day',
        `DESCRIBE SELECT * FROM read_parquet('${path.replaceAll("'", "''")}')`,
      )
      const names = new Set(present.map(({ column_name: name }) => name))
      const columns = ofTable.filter(({ name }) => names.has(name))
      await exportRows(
        duck,
        columns,
        path,
        (csv) =>
          loadArchived(
            session,
            columns.map(({ name }) => name),
            csv,
          ),
        // Without an alias of the file: its columns have the names of the table's.
        within(scope, undefined, dayOf(Date.parse(`${day}T00:00:00Z`))),
      )
    }
  } finally {
    await rm(folder, { recursive: true, force: true })
  }
}
