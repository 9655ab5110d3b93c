import type { Clock } from '../../connectors/clock.ts'

/** What decides whether a row batch is full. */
export interface Fill {
  readonly rows: number
  readonly bytes: number
  readonly dayCount: number
}

export interface CommitPacingOptions {
  /** Rows that make a batch full. The number may change. */
  readonly mostRows: () => number
  /** Longest wait of a row for others that are committed with it, once no commit is under way. */
  readonly batchMs: number
  readonly clock: Clock
  /** Commits what is filled. Called only while no commit is under way. */
  readonly commit: () => void
}

/** Bytes of COPY that make a batch full before its rows do. */
const FULL_BYTES = 8 << 20
/**
 * Days that do: each may be a new chunk, which takes 11 locks of the transaction. With the record
 * that passes it, 131 days at most.
 */
const FULL_DAYS = 32
/** After a silence a commit waits so long for what the same fetch brings of other partitions. */
const GATHER_MS = 2
/**
 * From the beginning of a commit to that of the next. A transaction costs as much as 300 rows do.
 * With 50 transactions a second that is not worth a longer wait.
 */
const LEAST_INTERVAL_MS = 20
/**
 * The same, in times that the commit before took. If commits are slow, waiting pays: larger
 * transactions cost less a row.
 */
const INTERVAL_PER_COMMIT = 4
/**
 * So many rows do not wait for that: larger transactions would cost little less a row, and a single
 * slow commit would make the next ones large and slow.
 */
const WORTHWHILE_ROWS = 2_000

/**
 * Says when the store commits: a batch that is full at once, another one as soon as the commit
 * before is over and it has waited for as long as that pays.
 */
export class CommitPacing {
  private readonly options: CommitPacingOptions
  private timer: Disposable | undefined
  private underWay = false
  /** Something waits for the commit that is under way. */
  private waits = false
  private begunAtMs = Number.NEGATIVE_INFINITY
  private tookMs = 0
  /** When the timer will be up. */
  private dueMs = 0

  constructor(options: CommitPacingOptions) {
    this.options = options
  }

  /** Whether a batch takes nothing more. */
  isFull(batch: Fill): boolean {
    return batch.rows >= this.options.mostRows() || batch.bytes >= FULL_BYTES || batch.dayCount >= FULL_DAYS
  }

  /** Something was added to a batch. */
  added(batch: Fill): void {
    if (this.underWay) this.waits = true
    else if (this.isFull(batch)) this.options.commit()
    else if (this.timer === undefined || batch.rows >= WORTHWHILE_ROWS) this.wait(batch)
  }

  /** The batch that was being filled is on its way. */
  begun(): void {
    this.dropped()
    this.underWay = true
    this.begunAtMs = this.options.clock.monotonicMs()
  }

  /** The commit is over; this has been filled meanwhile. */
  committed(batch: Fill): void {
    this.underWay = false
    this.tookMs = this.options.clock.monotonicMs() - this.begunAtMs
    if (this.isFull(batch)) this.options.commit()
    else if (this.waits) this.wait(batch)
  }

  /** The batch that was being filled will be read again. */
  dropped(): void {
    this.timer?.[Symbol.dispose]()
    this.timer = undefined
    this.waits = false
  }

  /** Commits after a while, or when it was said before if that is earlier. */
  private wait({ rows }: Fill): void {
    const { batchMs, clock, commit } = this.options
    const nowMs = clock.monotonicMs()
    const intervalMs = rows >= WORTHWHILE_ROWS ? LEAST_INTERVAL_MS : Math.max(LEAST_INTERVAL_MS, INTERVAL_PER_COMMIT * this.tookMs)
    const dueMs = Math.min(Math.max(nowMs + GATHER_MS, this.begunAtMs + intervalMs), nowMs + batchMs)
    if (this.timer !== undefined && dueMs >= this.dueMs) return
    this.timer?.[Symbol.dispose]()
    this.dueMs = dueMs
    this.timer = clock.after(dueMs - nowMs, commit)
  }
}
