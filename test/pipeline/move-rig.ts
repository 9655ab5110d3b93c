import { setTimeout as sleep } from 'node:timers/promises'
import type { BackendName } from '../../connectors/postgres/backend.ts'
import { createDatabase } from '../../connectors/postgres/database.ts'
import { makesHypertables, readingsBackend } from '../../connectors/postgres/table-target.ts'
import { type MoveOptions, migrateTable } from '../../ops/migrate-table.ts'
import type { ScratchDatabase } from './scratch-database.ts'

/** A run's connection is ended when a line begins with this. */
export interface Kill {
  readonly at: string
  readonly afterMs: number
}

/** `millrace migrate-table` in this process. @returns what it said */
export async function move(
  { url, query }: ScratchDatabase,
  backend: BackendName,
  options: Partial<MoveOptions> & Pick<MoveOptions, 'table'>,
  kill?: Kill,
  heard: (line: string) => void = () => undefined,
): Promise<readonly string[]> {
  const said: string[] = []
  let ending: Promise<unknown> | undefined
  await using database = createDatabase({
    url,
    applicationName: 'millrace migrate-table',
    statementTimeoutMs: 0,
    lockTimeoutMs: 0,
    answerTimeoutMs: 0,
  })
  await database
    .use(async (session) =>
      migrateTable(
        {
          session,
          readings: await readingsBackend(session, backend, options.table),
          hypertable: await makesHypertables(session, backend),
          daysAhead: 2,
          nowMs: Date.now,
          say: (line) => {
            said.push(line)
            heard(line)
            if (kill === undefined || !line.startsWith(kill.at) || ending !== undefined) return
            ending = sleep(kill.afterMs).then(() =>
              query(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'millrace migrate-table' AND datname = current_database()",
              ),
            )
          },
        },
        { map: {}, keep: [], key: [], copy: false, mode: 'run', ...options },
      ),
    )
    .finally(() => ending)
  return said
}

/** Writes rows one after the other, as fast as it goes, until it is stopped. */
export interface Writer {
  /** @returns its longest write since the last time that this was asked, in ms */
  lap(): number
  /** @returns how many rows it wrote, and its longest write in ms */
  stop(): Promise<{ readonly rows: number; readonly longestMs: number }>
}

/** @param insert takes the number of a batch of 100 rows, $1 */
export async function startWriter(database: ScratchDatabase, insert: string): Promise<Writer> {
  const client = await database.connect()
  let stopped = false
  let rows = 0
  let longestMs = 0
  let lapMs = 0
  let beganMs = performance.now()
  const writing = (async () => {
    for (let batch = 0; !stopped; batch++) {
      beganMs = performance.now()
      await client.query(insert, [batch])
      lapMs = Math.max(lapMs, performance.now() - beganMs)
      longestMs = Math.max(longestMs, lapMs)
      rows += 100
    }
  })()
  // The error is for whoever stops it.
  writing.catch(() => undefined)
  return {
    lap() {
      // One that is under way counts too.
      const lap = Math.max(lapMs, performance.now() - beganMs)
      lapMs = 0
      return lap
    },
    async stop() {
      stopped = true
      await writing
      return { rows, longestMs }
    },
  }
}
