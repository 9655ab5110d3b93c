import type { ArchiveEvent } from '../../processors/store/archive-event.ts'
import type { ArchivePlan } from '../../processors/store/archive-plan.ts'
import { dateOf } from '../../processors/store/archive-plan.ts'
import { dayRange } from '../../processors/store/time-ranges.ts'
import { whole } from '../figures.ts'

/** What became of one thing, for people. */
export function eventLine(event: ArchiveEvent): string {
  switch (event.event) {
    case 'archived': {
      const { day, rows, taken, bytes, generation, conflicts } = event
      const size = `${whole(bytes)} bytes, ${(bytes / Math.max(1, rows)).toFixed(1)} a row`
      if (generation === 1) return `${day}: archived ${whole(rows)} rows (${size})`
      const differed = conflicts === 0 ? '' : `, ${whole(conflicts)} of them with another value than the archived one`
      return `${day}: merged ${whole(taken)} late rows${differed}: ${whole(rows)} rows now (${size})`
    }
    case 'restored':
      return `${event.day}: ${whole(event.rows)} rows are in the table again, and stay there until \`millrace partitions archive --day ${event.day}\``
    case 'removed':
      return `${event.day}: removed from the archive`
    case 'held':
      return `${event.day}: stays in the table: ${event.why}`
    case 'failed':
      return event.day === null ? event.why : `${event.day}: not archived: ${event.why}`
    case 'finished':
      return event.what
    case 'busy':
      return 'another run is at work'
  }
}

/** What a run would do, for people. */
export function planLines(plan: ArchivePlan | string): readonly string[] {
  if (typeof plan === 'string') return [plan]
  const lines = [
    ...plan.gather.map((day) => `${dateOf(dayRange(day).fromMs)}: its rows in the default partition would get a partition`),
    ...plan.due.map(({ day, partitions }) => `${day}: would be archived (${partitions.map(({ name }) => name).join(', ')})`),
    ...plan.held.map(({ day, why }) => `${day}: would stay in the table: ${why}`),
    ...plan.remove.map((day) => `${day}: would be removed from the archive`),
  ]
  return lines.length === 0 ? ['nothing is due'] : lines
}
