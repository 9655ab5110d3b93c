/**
 * What became of one thing in a run of the archive: a line of JSON, which the store's job reads.
 */
export type ArchiveEvent =
  /** `taken`: rows that came from the table; `rows`: all that the day has in the archive. */
  | {
      readonly event: 'archived'
      readonly day: string
      readonly rows: number
      readonly taken: number
      readonly bytes: number
      readonly generation: number
      readonly conflicts: number
    }
  /** Its rows are in the table again, and not in the archive. */
  | { readonly event: 'restored'; readonly day: string; readonly rows: number }
  /** storage.archive_retention_days let it go. */
  | { readonly event: 'removed'; readonly day: string }
  /** It is due, and stays. */
  | { readonly event: 'held'; readonly day: string; readonly why: string }
  /** A null day: all of the run. */
  | { readonly event: 'failed'; readonly day: string | null; readonly why: string }
  /** What a killed run had left, or what had to be done first. */
  | { readonly event: 'finished'; readonly what: string }
  /** Another run is at work. */
  | { readonly event: 'busy' }
