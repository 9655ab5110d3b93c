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
  /** Longest time that a row waits for others before it is committed. */
  readonly batchMs: number
  readonly clock: Clock
  /** Commits what is filled, once the commit under way is over. */
  readonly commit: () => void
}

/** Bytes of COPY that make a batch full before its rows do. */
const FULL_BYTES = 8 << 20
/**
 * Days that make a batch full. Each may be a new chunk, which takes 11 locks of the transaction.
 * With the record that passes the limit it is 131 days at most.
 */
const FULL_DAYS = 32

/** Decides when the store commits: if a batch is full, or if its time is over. */
export class CommitPacing {
  private readonly options: CommitPacingOptions
  private timer: Disposable | undefined

  constructor(options: CommitPacingOptions) {
    this.options = options
  }

  /** Whether a batch is full. */
  isFull(batch: Fill): boolean {
    return batch.rows >= this.options.mostRows() || batch.bytes >= FULL_BYTES || batch.dayCount >= FULL_DAYS
  }

  /** A record was added to a batch. */
  added(batch: Fill, underWay: boolean): void {
    const { clock, batchMs, commit } = this.options
    this.timer ??= clock.after(batchMs, commit)
    if (!underWay && this.isFull(batch)) commit()
  }

  /** A commit is over. This batch was filled meanwhile. */
  committed(batch: Fill): void {
    if (this.isFull(batch)) this.options.commit()
  }

  /** The batch that was being filled is being committed, or was dropped. */
  begun(): void {
    this.timer?.[Symbol.dispose]()
    this.timer = undefined
  }
}
