/** What the tab Storage is told: feed `storage`, every quarter of a minute. Times are ISO 8601. */
export interface StorageState {
  readonly at: number
  readonly backend: 'timescaledb' | 'postgres'
  readonly partitions: readonly PartitionState[]
  readonly archived: readonly ArchivedDayState[]
  /** Days ahead that have no partition yet. */
  readonly toBeMade: readonly string[]
  /** Rows in the default partition, and their days; null while the store does not say. */
  readonly strayRows: number | null
  readonly strayDays: number | null
  /** Bytes on the disk of the server; null if it does not say. */
  readonly databases: readonly { readonly name: string; readonly bytes: number | null }[]
}

export interface PartitionState {
  readonly name: string
  readonly from: string | null
  readonly to: string | null
  /** Estimated; null if nobody knows. */
  readonly rows: number | null
  readonly bytes: number
  readonly indexBytes: number
  readonly state: 'open' | 'closed'
  readonly foreign: boolean
  readonly dropsAt: string | null
  readonly archivesAt: string | null
  readonly restored: boolean
}

export interface ArchivedDayState {
  readonly day: string
  readonly rows: number
  readonly bytes: number
  readonly location: string
}
