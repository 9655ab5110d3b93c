import type { Clock } from '../../connectors/clock.ts'

/** Of a row batch, what says whether it is full. */
export interface Fill {
  readonly rows: number
  readonly bytes: number
  readonly dayCount: number
}

export interface CommitPacingOptions {
  /** Rows that make a batch full. They may change. */
  readonly mostRows: () => number
  /** Longest wait of a row for others that are committed with it. */
  readonly batchMs: number
  readonly clock: Clock
  /** Commits what is filled, after the commit that is under way. */
  readonly commit: () => void
}

/** Bytes of COPY that make a batch full before its rows do. */
const FULL_BYTES = 8 << 20
/**
 * Days that do: each may be a new chunk, which takes 11 locks of the transaction. With the record
 * that passes it, 131 days at most.
 */
const FULL_DAYS = 32

/**
 * Says when the store commits: a batch that is full, or the time after which one is not waited for.
 */
export class CommitPacing {
  private readonly options: CommitPacingOptions
  private timer: Disposable | undefined

  constructor(options: CommitPacingOptions) {
    this.options = options
  }

  /** Whether a batch takes nothing more. */
  isFull(batch: Fill): boolean {
    return batch.rows >= this.options.mostRows() || batch.bytes >= FULL_BYTES || batch.dayCount >= FULL_DAYS
  }

  /** Something was added to a batch. */
  added(batch: Fill, underWay: boolean): void {
    const { clock, batchMs, commit } = this.options
    this.timer ??= clock.after(batchMs, commit)
    if (!underWay && this.isFull(batch)) commit()
  }

  /** A commit is over; this has been filled meanwhile. */
  committed(batch: Fill): void {
    if (this.isFull(batch)) this.options.commit()
  }

  /** The batch that was being filled is on its way, or was dropped. */
  begun(): void {
    this.timer?.[Symbol.dispose]()
    this.timer = undefined
  }
}
