/** When too much of what a partition brings is bad. */
export interface BadShareLimit {
  /** Share of records, 0 to 1; 1 never stops a partition. */
  readonly limit: number
  /** Fewer records say nothing: one bad record of three must not stop a line. */
  readonly minimumRecords: number
}

/** What a partition brought lately. */
export interface BadRecords {
  readonly records: number
  readonly bad: number
}

/** After so many times the minimum, what came before counts half: the share is that of late, not that of the whole day. */
const WINDOW_MINIMA = 10

/** Counts, per partition, the records of which nothing but dead letters came. A flood of them is a mistake in one place, not in each of them. */
export class BadShare {
  private readonly limit: BadShareLimit
  private readonly lately = new Map<string, { records: number; bad: number }>()

  constructor(limit: BadShareLimit) {
    this.limit = limit
  }

  /** What the share would be of with these records, where it is too large; else undefined. Counts nothing. */
  judge(partition: string, { records, bad }: BadRecords): BadRecords | undefined {
    const before = this.lately.get(partition)
    const after = { records: (before?.records ?? 0) + records, bad: (before?.bad ?? 0) + bad }
    // A batch without a bad record is never stopped for those before it.
    return bad > 0 && after.records >= this.limit.minimumRecords && after.bad > this.limit.limit * after.records ? after : undefined
  }

  /** Counts records that were taken. */
  count(partition: string, { records, bad }: BadRecords): void {
    const lately = this.lately.get(partition) ?? { records: 0, bad: 0 }
    this.lately.set(partition, lately)
    lately.records += records
    lately.bad += bad
    if (lately.records > WINDOW_MINIMA * this.limit.minimumRecords) {
      lately.records /= 2
      lately.bad /= 2
    }
  }
}

/** In words, for logs and health: `412 of the last 1,203 records of x/3 cannot be processed: unknown-device 400, malformed-frame 12`. */
export function describeBadShare(partition: string, { records, bad }: BadRecords, reasons: ReadonlyMap<string, number>): string {
  const listed = [...reasons]
    .sort(([, a], [, b]) => b - a)
    .map(([reason, times]) => `${reason} ${times}`)
    .join(', ')
  return `${Math.round(bad)} of the last ${Math.round(records)} records of ${partition} cannot be processed; in this batch: ${listed}. It is tried again; mend the cause, or raise bad_share.limit and restart`
}
