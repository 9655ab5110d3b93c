import type { ArchiveColumn, ArchiveKind, ColumnFigures, DayFigures } from './archive-figures.ts'

/**
 * What of late rows met a key that was archived already, over all times that the day was merged.
 */
export interface LateRows {
  /** Rows that added a value to the row of their key. */
  readonly merged: number
  /** Rows that had nothing new. */
  readonly repeated: number
  /** Rows with another value than the archived one: `store.conflicts` says which one stayed. */
  readonly conflicts: number
}

export interface ArchivedFile {
  readonly name: string
  readonly bytes: number
  /** SHA-256 of the file, hexadecimal. */
  readonly sha256: string
}

/** What is written beside the file of a day: what it holds, and how to know that it is whole. */
export interface DayManifest {
  /** UTC, as in 2026-11-23. */
  readonly day: string
  /** 1 for the first time, one more each time that late rows were merged. */
  readonly generation: number
  /** ISO 8601. */
  readonly writtenAt: string
  readonly file: ArchivedFile
  readonly columns: readonly ArchiveColumn[]
  readonly figures: DayFigures
  readonly late: LateRows
}

/** A manifest is not one, or of a version that this one does not know. */
export class ManifestError extends Error {
  override readonly name = 'ManifestError'
}

/** Of the layout of the manifest, and of what the columns mean. */
const VERSION = 1
const TABLE = 'readings'
export const FILE_NAME = 'readings.parquet'
export const MANIFEST_NAME = 'manifest.json'
const KINDS: readonly string[] = ['text', 'timestamp', 'boolean', 'whole', 'double'] satisfies readonly ArchiveKind[]

/** The folder of a day, in the manner of Hive: tools read the day from it. */
export function dayFolder(day: string): string {
  return `date=${day}`
}

export function manifestText({ day, generation, writtenAt, file, columns, figures, late }: DayManifest): string {
  const manifest = {
    millrace_archive: VERSION,
    table: TABLE,
    day,
    generation,
    written_at: writtenAt,
    rows: figures.rows,
    first_ts_us: figures.firstMicros,
    last_ts_us: figures.lastMicros,
    files: [file],
    columns: columns.map((column) => ({ ...column, ...figures.columns.get(column.name) })),
    late,
  }
  return `${JSON.stringify(manifest, undefined, 2)}\n`
}

/**
 * @param where names it in errors
 * @throws ManifestError
 */
export function parseManifest(text: string, where: string): DayManifest {
  const fail = (what: string): never => {
    throw new ManifestError(`${where}: ${what}`)
  }
  let given: Record<string, unknown>
  try {
    given = JSON.parse(text) as Record<string, unknown>
  } catch {
    return fail('expected JSON')
  }
  if (given?.millrace_archive !== VERSION)
    return fail(`expected a manifest of version ${VERSION}, found ${JSON.stringify(given?.millrace_archive)}`)
  if (given.table !== TABLE) fail(`expected the table ${TABLE}, found ${JSON.stringify(given.table)}`)
  const whole = (value: unknown, name: string): number =>
    Number.isSafeInteger(value) && (value as number) >= 0
      ? (value as number)
      : fail(`${name}: expected a whole number, found ${JSON.stringify(value)}`)
  const word = (value: unknown, name: string): string =>
    typeof value === 'string' ? value : fail(`${name}: expected a text, found ${JSON.stringify(value)}`)
  const files = Array.isArray(given.files) ? given.files : []
  const [file] = files as readonly Record<string, unknown>[]
  if (files.length !== 1 || file === undefined) return fail('files: expected one file')
  const columns: ArchiveColumn[] = []
  const figures = new Map<string, ColumnFigures>()
  for (const each of Array.isArray(given.columns) ? (given.columns as Record<string, unknown>[]) : []) {
    const kind = word(each.kind, 'kind of a column')
    const name = word(each.name, 'name of a column')
    if (!KINDS.includes(kind)) fail(`column ${name}: expected one of ${KINDS.join(', ')}, found ${JSON.stringify(kind)}`)
    columns.push({ name, kind: kind as ArchiveKind, unit: each.unit === null ? null : word(each.unit, `unit of ${name}`) })
    const sum = kind === 'double' ? Number(each.sum) : word(each.sum, `sum of ${name}`)
    figures.set(name, { values: whole(each.values, `values of ${name}`), sum, magnitude: Number(each.magnitude) })
  }
  const time = (value: unknown): number | null => (value === null ? null : Number(value))
  const late = (given.late ?? {}) as Record<string, unknown>
  return {
    day: word(given.day, 'day'),
    generation: whole(given.generation, 'generation'),
    writtenAt: word(given.written_at, 'written_at'),
    file: { name: word(file.name, 'name of the file'), bytes: whole(file.bytes, 'bytes'), sha256: word(file.sha256, 'sha256') },
    columns,
    figures: {
      rows: whole(given.rows, 'rows'),
      firstMicros: time(given.first_ts_us),
      lastMicros: time(given.last_ts_us),
      columns: figures,
    },
    late: {
      merged: whole(late.merged, 'late.merged'),
      repeated: whole(late.repeated, 'late.repeated'),
      conflicts: whole(late.conflicts, 'late.conflicts'),
    },
  }
}
