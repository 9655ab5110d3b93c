import type { Move } from '../connectors/postgres/table-move-way.ts'
import type { MoveSettings, TableContents } from '../processors/store/table-move.ts'
import { moveNotes } from '../processors/store/table-problems.ts'
import type { StepName } from '../processors/store/table-steps.ts'
import { DAY_MS, type TimeRange } from '../processors/store/time-ranges.ts'
import { duration, whole } from './figures.ts'

/** Rows a second of one core, and bytes a second of a scan: docs/adr/0039-migrate-table.md. */
const INDEXED_ROWS = 400_000
const COPIED_ROWS = 60_000
const SCANNED_BYTES = 300 * 1024 * 1024
/** Of an index on a device's name and a time. */
const KEY_BYTES = 60

/** What each step locks, and what others notice. */
const LOCKS: Readonly<Record<StepName, string>> = {
  index: 'SHARE UPDATE EXCLUSIVE: writers go on',
  check: 'ACCESS EXCLUSIVE for some ms, given up after 100 ms and tried again. From then on rows outside the range are refused',
  validate: 'SHARE UPDATE EXCLUSIVE: writers go on',
  double: 'SHARE ROW EXCLUSIVE for some ms, given up after 100 ms and tried again. From then on each write is doubled',
  copy: 'rows are read in short transactions: writers go on; those who update or delete wait for one of them at most',
  compare: 'none: it reads',
  swap: 'ACCESS EXCLUSIVE for some 10 to 50 ms, given up after 100 ms and tried again: everyone waits',
  days: 'SHARE UPDATE EXCLUSIVE, one day at a time',
  analyze: 'none: it reads a sample',
  rollups: 'none: it reads the table once',
}

/** `--dry-run`: what would happen, in words and SQL. */
export function planLines(
  { facts, settings }: Move,
  steps: readonly StepName[],
  contents: TableContents | undefined,
  sql: (step: StepName, range: TimeRange) => readonly string[],
): readonly string[] {
  const rows = contents?.rows ?? facts.rows
  const fromMs = Math.floor((contents?.firstMs ?? settings.cutMs - DAY_MS) / DAY_MS) * DAY_MS
  const range = { fromMs, toMs: settings.cutMs }
  const what = settings.target === 'own' ? 'keeps its name and columns' : 'becomes the past of readings'
  return [
    `table ${facts.name}: ${whole(rows)} rows, ${gibibytes(facts.bytes)} and ${gibibytes(facts.indexBytes)} of indexes; it ${what}`,
    `its rows are of ${day(range.fromMs)} to ${contents?.lastMs == null ? '?' : new Date(contents.lastMs).toISOString()}; ${end(settings, range)}`,
    `disk: ${disk(settings, steps, rows, facts.bytes + facts.indexBytes)}`,
    ...moveNotes(facts, settings),
    ...steps.flatMap((step) => [
      '',
      `${step}: ${expected(step, rows, facts.bytes)}; ${LOCKS[step]}`,
      ...sql(step, range).map((each) => `    ${each.replaceAll('\n', '\n    ')};`),
    ]),
    ...(steps.length === 0 ? ['nothing is left to do but --finish, or --undo'] : []),
  ]
}

function end({ way }: MoveSettings, { toMs }: TimeRange): string {
  return way === 'attach' ? `the old part ends at ${new Date(toMs).toISOString()}` : 'all are copied'
}

function disk({ way }: MoveSettings, steps: readonly StepName[], rows: number, bytes: number): string {
  const wal = 'and as much WAL on the way'
  if (way === 'copy') return `about ${gibibytes(1.3 * bytes)} for the copy until --finish drops the old table, ${wal}`
  return steps.includes('index')
    ? `about ${gibibytes(rows * KEY_BYTES)} for the index of the key, up to that again while it is sorted, ${wal}`
    : 'none to speak of'
}

function expected(step: StepName, rows: number, bytes: number): string {
  const seconds: Partial<Record<StepName, number>> = {
    index: rows / INDEXED_ROWS,
    validate: bytes / SCANNED_BYTES,
    copy: rows / COPIED_ROWS,
    compare: (2 * rows) / INDEXED_ROWS,
    rollups: (2 * rows) / INDEXED_ROWS,
  }
  const found = seconds[step]
  return found === undefined ? 'at once' : `about ${duration(1000 * Math.max(1, found))}`
}

function day(ms: number): string {
  return new Date(ms).toISOString().slice(0, 10)
}

function gibibytes(bytes: number): string {
  return `${(bytes / 1024 ** 3).toFixed(2)} GiB`
}
