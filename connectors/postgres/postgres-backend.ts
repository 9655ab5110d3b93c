import { dayRange, gaps, type TimeRange } from '../../processors/store/time-ranges.ts'
import type { StorageBackend } from './backend.ts'
import type { Day } from './days.ts'
import { defaultPartition, listPartitions, partitionRanges, strayDays } from './partition-catalog.ts'
import { dropDetached, dropPartitions, dropStrays } from './partition-dropping.ts'
import { makePartitions, removeGuards } from './partition-making.ts'
import { columnDefinitions, quoted } from './readings-table.ts'
import type { Session } from './session.ts'

/** What is known of the partitions is looked up again, since retention drops some. */
const KNOWN_MS = 60_000

/**
 * `readings` as range partitions of a UTC day each, and a default partition that should stay empty.
 */
export function createPostgresBackend(): StorageBackend {
  let known: readonly TimeRange[] = []
  /** Days that a partition could not be made for: their rows go to the default partition. */
  let blocked: ReadonlySet<Day> = new Set()
  let readAtMs = Number.NEGATIVE_INFINITY

  const learn = async (session: Session): Promise<void> => {
    known = await partitionRanges(session)
    readAtMs = performance.now()
  }
  const lacking = (days: readonly Day[]): readonly Day[] => days.filter((day) => !blocked.has(day) && gaps(dayRange(day), known).length > 0)

  return {
    name: 'postgres',
    prepares: true,
    async create(session, columns) {
      await session.script(
        'creating partitioned table readings',
        `CREATE TABLE readings (${columnDefinitions(columns)}, PRIMARY KEY (device_id, ts)) PARTITION BY RANGE (ts);
         CREATE TABLE readings_default PARTITION OF readings DEFAULT`,
      )
    },
    async ensureDays(session, days) {
      if (performance.now() - readAtMs > KNOWN_MS) {
        blocked = new Set()
        await learn(session)
      }
      const wanted = lacking(days)
      if (wanted.length === 0) return
      for (const day of wanted) await makePartitions(session, dayRange(day))
      await learn(session)
      blocked = new Set([...blocked, ...lacking(wanted)])
    },
    make: makePartitions,
    async strays(session) {
      const place = await defaultPartition(session)
      if (place === undefined || place.bytes === 0) return 0n
      const [row] = await session.query<{ strays: bigint }>('counting strays', `SELECT count(*) AS strays FROM ${place.name}`)
      return row?.strays ?? 0n
    },
    strayDays,
    list: listPartitions,
    async tables(_session, partitions) {
      return partitions.map(({ name }) => quoted(name))
    },
    drop: dropPartitions,
    dropStrays,
    async compress() {
      return { tag: 'not offered', why: 'plain PostgreSQL has no columnstore' }
    },
    async finish(session) {
      const guards = await removeGuards(session)
      const dropped = await dropDetached(session)
      return [
        ...guards.map((guard) => `removed constraint ${guard}, which a run that was killed had left`),
        ...dropped.map((name) => `dropped ${name}, which a run that was killed had detached`),
      ]
    },
  }
}
