/**
 * What became of one thing in a run of the frames' archive: a line of JSON, for the store's job.
 */
export type FramesEvent =
  | {
      readonly event: 'archived'
      readonly topic: string
      readonly partition: number
      /** Offsets as texts: `next` is not among them. */
      readonly from: string
      readonly next: string
      readonly day: string
      readonly records: number
      readonly unreadable: number
      readonly bytes: number
    }
  /** Kafka had deleted, or lost, records before they were archived. */
  | { readonly event: 'lost'; readonly topic: string; readonly partition: number; readonly from: string; readonly next: string }
  /** storage.archive_frames_retention_days let it go. */
  | { readonly event: 'removed'; readonly name: string }
  /** What a killed run had left. */
  | { readonly event: 'finished'; readonly what: string }
  | { readonly event: 'failed'; readonly why: string }
  /** Another run is at work. */
  | { readonly event: 'busy' }
