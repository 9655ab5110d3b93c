import { MOST_DAYS } from '../time-bounds.ts'

const MICROS_PER_DAY = 86_400_000_000

/** A record whose samples fall on more days than a transaction should make partitions for. */
export class TooManyDaysError extends Error {
  readonly code = 'TOO_MANY_DAYS'
  readonly transient = false
}

/** The days (UTC) that rows fall on, and their bound for a record. */
export class RowDays {
  /** Days since 1970, and the last record that has rows on each. */
  private readonly days = new Map<number, number>()
  /** Days that the record under way is the first to have. */
  private readonly added: number[] = []
  private record = 0
  /** Days of the record under way; 0 if it has none but the day of the row before it. */
  private marked = 0
  private hasRows = false
  /** Day of the last row. */
  private last = Number.NaN

  /** Number of days. */
  get size(): number {
    return this.days.size
  }

  /** Days since 1970. */
  list(): readonly number[] {
    return [...this.days.keys()]
  }

  clear(): void {
    this.days.clear()
    this.record = 0
    this.last = Number.NaN
  }

  /** Begins a record. */
  begin(): void {
    this.record++
    this.marked = 0
    this.hasRows = false
    if (this.added.length > 0) this.added.length = 0
  }

  /** Notes a row of the record. Nearly always it falls on the day of the row before. */
  note(tsMicros: number): void {
    const day = Math.floor(tsMicros / MICROS_PER_DAY)
    if (day !== this.last) this.change(day)
    this.hasRows = true
  }

  /** @throws TooManyDaysError if the record's rows fall on more than `MOST_DAYS` */
  check(): void {
    if (this.marked > MOST_DAYS) throw new TooManyDaysError(`its samples fall on ${this.marked} days; expected at most ${MOST_DAYS}`)
  }

  /** Forgets the record's days. */
  undo(): void {
    for (const day of this.added) this.days.delete(day)
    this.last = Number.NaN
  }

  private change(day: number): void {
    if (this.marked === 0 && this.hasRows) this.mark(this.last)
    this.mark(day)
    this.last = day
  }

  private mark(day: number): void {
    const record = this.days.get(day)
    if (record === this.record) return
    if (record === undefined) this.added.push(day)
    this.days.set(day, this.record)
    this.marked++
  }
}
