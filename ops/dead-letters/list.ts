import type { Topic } from '../../processors/contract.ts'
import { type DeadLetterFilter, type FoundDeadLetter, matches } from '../../processors/found-dead-letters.ts'
import { duration, whole } from '../figures.ts'
import { table } from '../text-table.ts'
import type { DeadLetters } from './reader.ts'

class Row {
  deadLetters = 0
  /** A dead letter may stand for several. */
  records = 0
  open = 0
  oldestMs = Number.POSITIVE_INFINITY
  newestMs = Number.NEGATIVE_INFINITY
  attempt = 0
  readonly devices = new Set<string>()
}

/** Devices are counted up to this many: a flood of invented names must not fill the memory. */
const MOST_DEVICES = 100_000

/**
 * Lines for people. For each topic and reason: how many dead letters, how many of them no redrive
 * has settled, their age and their devices.
 */
export async function listDeadLetters(
  source: DeadLetters,
  topics: readonly Topic[],
  filter: DeadLetterFilter,
  nowMs: number,
): Promise<readonly string[]> {
  const rows: string[][] = []
  const notes: string[] = []
  for (const topic of topics) {
    const settled = await source.settled(topic)
    const reasons = new Map<string, Row>()
    let unreadable = 0
    await source.read(topic, (found) => {
      if (found === null) unreadable++
      else if (matches(found.deadLetter, filter)) note(reasons, found, settled?.get(found.partition)?.has(found.offset) !== true)
    })
    for (const [reason, row] of [...reasons].sort(([a], [b]) => (a < b ? -1 : 1))) {
      rows.push([
        topic,
        reason,
        whole(row.deadLetters),
        whole(row.records),
        settled === undefined ? '?' : whole(row.open),
        `${row.devices.size === MOST_DEVICES ? '≥ ' : ''}${whole(row.devices.size)}`,
        duration(Math.max(0, nowMs - row.oldestMs)),
        duration(Math.max(0, nowMs - row.newestMs)),
        String(row.attempt),
      ])
    }
    if (unreadable > 0) notes.push(`${topic}: ${whole(unreadable)} records that are no dead letters`)
  }
  if (rows.length === 0) return [`no dead letters in ${topics.join(', ') || 'any topic'}`, ...notes]
  const head = ['topic', 'reason', 'dead letters', 'records', 'open', 'devices', 'oldest', 'newest', 'attempts']
  return [
    ...table([head, ...rows], ['left', 'left', 'right', 'right', 'right', 'right', 'right', 'right', 'right']),
    ...notes,
    'open: not settled by a redrive yet. Ages in h:mm:ss since the last failure; attempts: the most of any dead letter.',
  ]
}

function note(reasons: Map<string, Row>, { deadLetter }: FoundDeadLetter, open: boolean): void {
  const row = reasons.get(deadLetter.reason) ?? new Row()
  reasons.set(deadLetter.reason, row)
  row.deadLetters++
  row.records += Math.max(1, deadLetter.records.length)
  if (open) row.open++
  row.oldestMs = Math.min(row.oldestMs, deadLetter.last_failed)
  row.newestMs = Math.max(row.newestMs, deadLetter.last_failed)
  row.attempt = Math.max(row.attempt, deadLetter.attempt)
  if (deadLetter.key !== null && row.devices.size < MOST_DEVICES) row.devices.add(deadLetter.key.toString('utf8'))
}
