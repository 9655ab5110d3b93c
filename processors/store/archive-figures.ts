/** What a column of the archive holds, whatever the type that the database gives it. */
export type ArchiveKind = 'text' | 'timestamp' | 'boolean' | 'whole' | 'double'

export interface ArchiveColumn {
  readonly name: string
  readonly kind: ArchiveKind
  /** UCUM code; null if the column is no quantity. */
  readonly unit: string | null
}

/** What is compared of one column. */
export interface ColumnFigures {
  /** Rows in which it is not null. */
  readonly values: number
  /**
   * Of `double`: the sum of its finite values. Of others, exact and in decimal: the sum of `whole`,
   * how many are true of `boolean`, bytes of `text`; of `timestamp` always 0.
   */
  readonly sum: number | string
  /** Of `double`: the sum of the absolute values, which says how exact `sum` can be. */
  readonly magnitude: number
}

/** What is compared of a day, between table and file. */
export interface DayFigures {
  readonly rows: number
  /** Microseconds since 1970; null if there are no rows. */
  readonly firstMicros: number | null
  readonly lastMicros: number | null
  /** By name. */
  readonly columns: ReadonlyMap<string, ColumnFigures>
}

/** Where PostgreSQL and DuckDB have different words. */
export interface FigureDialect {
  readonly micros: (timestamp: string) => string
  readonly bytes: (text: string) => string
}

/** Doubles add up to other sums in another order. */
const TOLERANCE = 1e-9

/** The SELECT list whose only row `readFigures` takes: the same for database and file. */
export function figureList(columns: readonly ArchiveColumn[], dialect: FigureDialect): string {
  const parts = columns.flatMap((column, index) => figureParts(column, index, dialect))
  return ['count(*) AS rows', `${dialect.micros('min(ts)')} AS first`, `${dialect.micros('max(ts)')} AS last`, ...parts].join(', ')
}

function figureParts({ name, kind }: ArchiveColumn, index: number, { bytes }: FigureDialect): readonly string[] {
  const column = quotedName(name)
  const values = `count(${column}) AS n${index}`
  switch (kind) {
    case 'double': {
      // NaN is greater than infinity for both.
      const finite = `FILTER (WHERE ${column} < CAST('Infinity' AS double precision) AND ${column} > CAST('-Infinity' AS double precision))`
      return [values, `sum(${column}) ${finite} AS s${index}`, `sum(abs(${column})) ${finite} AS a${index}`]
    }
    case 'whole':
      return [values, `CAST(coalesce(sum(${column}), 0) AS text) AS s${index}`]
    case 'boolean':
      return [values, `CAST(count(*) FILTER (WHERE ${column}) AS text) AS s${index}`]
    case 'text':
      return [values, `CAST(coalesce(sum(${bytes(column)}), 0) AS text) AS s${index}`]
    case 'timestamp':
      return [values]
  }
}

/** @param row what came of `figureList`; whole numbers may be bigint */
export function readFigures(row: Readonly<Record<string, unknown>>, columns: readonly ArchiveColumn[]): DayFigures {
  const number = (value: unknown): number => (value === null || value === undefined ? 0 : Number(value))
  const time = (value: unknown): number | null => (value === null || value === undefined ? null : Number(value))
  const figures = columns.map(({ name, kind }, index): [string, ColumnFigures] => [
    name,
    {
      values: number(row[`n${index}`]),
      sum: kind === 'double' ? number(row[`s${index}`]) : kind === 'timestamp' ? '0' : String(row[`s${index}`]),
      magnitude: kind === 'double' ? number(row[`a${index}`]) : 0,
    },
  ])
  return { rows: number(row.rows), firstMicros: time(row.first), lastMicros: time(row.last), columns: new Map(figures) }
}

/** What two sets of rows have together that have no key in common. */
export function addFigures(one: DayFigures, other: DayFigures): DayFigures {
  return combined(one, other, 1, {
    firstMicros: least(one.firstMicros, other.firstMicros, Math.min),
    lastMicros: least(one.lastMicros, other.lastMicros, Math.max),
  })
}

/**
 * What is left of rows if some of them go. Their first and last time stay: others have the same.
 */
export function withoutFigures(all: DayFigures, gone: DayFigures): DayFigures {
  return combined(all, gone, -1, { firstMicros: all.firstMicros, lastMicros: all.lastMicros })
}

function combined(one: DayFigures, other: DayFigures, sign: 1 | -1, times: Pick<DayFigures, 'firstMicros' | 'lastMicros'>): DayFigures {
  const columns = new Map(one.columns)
  for (const [name, added] of other.columns) {
    const there = columns.get(name) ?? { values: 0, sum: typeof added.sum === 'number' ? 0 : '0', magnitude: 0 }
    columns.set(name, {
      values: there.values + sign * added.values,
      sum:
        typeof there.sum === 'number' || typeof added.sum === 'number'
          ? Number(there.sum) + sign * Number(added.sum)
          : String(BigInt(there.sum) + BigInt(sign) * BigInt(added.sum)),
      // What was subtracted has left its rounding behind.
      magnitude: there.magnitude + added.magnitude,
    })
  }
  return { rows: one.rows + sign * other.rows, ...times, columns }
}

function least(one: number | null, other: number | null, choose: (a: number, b: number) => number): number | null {
  return one === null ? other : other === null ? one : choose(one, other)
}

/** What of a file is not as it should be, in words; empty if all is. */
export function differences(expected: DayFigures, found: DayFigures): readonly string[] {
  const wrong: string[] = []
  const compare = (what: string, wanted: unknown, got: unknown): void => {
    if (wanted !== got) wrong.push(`${what}: expected ${wanted}, found ${got}`)
  }
  compare('rows', expected.rows, found.rows)
  compare('first time (µs)', expected.firstMicros, found.firstMicros)
  compare('last time (µs)', expected.lastMicros, found.lastMicros)
  for (const name of new Set([...expected.columns.keys(), ...found.columns.keys()])) {
    const wanted = expected.columns.get(name) ?? NOTHING
    const got = found.columns.get(name) ?? NOTHING
    compare(`values of ${name}`, wanted.values, got.values)
    if (typeof wanted.sum === 'number' && typeof got.sum === 'number') {
      if (Math.abs(wanted.sum - got.sum) > TOLERANCE * wanted.magnitude)
        wrong.push(`sum of ${name}: expected ${wanted.sum}, found ${got.sum}`)
    } else if (wanted !== NOTHING && got !== NOTHING) compare(`sum of ${name}`, wanted.sum, got.sum)
  }
  return wrong
}

/** Of a column that is not there: all of it is null. */
const NOTHING: ColumnFigures = { values: 0, sum: '0', magnitude: 0 }

function quotedName(name: string): string {
  return `"${name.replaceAll('"', '""')}"`
}
