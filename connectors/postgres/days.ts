/** A day as PostgreSQL's partitions and Millrace's batches count it: days since 1970-01-01, UTC. */
export type Day = number

const MS_PER_DAY = 86_400_000
const PREFIX = 'readings_'

export function dayOf(timestampMs: number): Day {
  return Math.floor(timestampMs / MS_PER_DAY)
}

/** First instant of the day, for SQL: 2026-11-23 00:00:00+00. Years 1 to 9999. */
export function dayStart(day: Day): string {
  return `${isoDate(day)} 00:00:00+00`
}

/** An instant, for SQL: 2026-11-23 13:00:00.000+00. */
export function instant(timestampMs: number): string {
  return new Date(timestampMs).toISOString().replace('T', ' ').replace('Z', '+00')
}

/** Name of the day's partition: readings_20261123. */
export function partitionName(day: Day): string {
  return PREFIX + isoDate(day).replaceAll('-', '')
}

/**
 * Name of a further partition of the same day, which begins later in it: readings_20261123_130000.
 */
export function laterPartitionName(fromMs: number): string {
  return `${partitionName(dayOf(fromMs))}_${new Date(fromMs).toISOString().slice(11, 19).replaceAll(':', '')}`
}

/** The day of a partition; undefined if the name is not that of a day's partition. */
export function partitionDay(name: string): Day | undefined {
  const match = /^readings_(\d{4})(\d{2})(\d{2})(?:_\d{6})?$/.exec(name)
  if (match === null) return undefined
  const day = dayOf(Date.parse(`${match[1]}-${match[2]}-${match[3]}T00:00:00Z`))
  return Number.isNaN(day) || partitionName(day) !== name.slice(0, PREFIX.length + 8) ? undefined : day
}

function isoDate(day: Day): string {
  return new Date(day * MS_PER_DAY).toISOString().slice(0, 10)
}
