import type { BackendName } from '../../connectors/postgres/backend.ts'
import { findBackend } from '../../connectors/postgres/backend-choice.ts'
import { createDatabase } from '../../connectors/postgres/database.ts'
import { dayOf } from '../../connectors/postgres/days.ts'
import { dayRange } from '../../processors/store/time-ranges.ts'

/** Makes the partition of a moment's day, as the care of partitions does before the day comes. */
export async function makeDayReady(url: string, backend: BackendName, atMs: number): Promise<void> {
  await using database = createDatabase({ url, applicationName: 'test' })
  await database.use(async (session) => (await findBackend(session, backend)).make(session, dayRange(dayOf(atMs))))
}
