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
  readonly databases: readonly DatabaseDisk[]
}

/** A database, and what it lies on. Nothing here is a guess: null is unknown. */
export interface DatabaseDisk {
  readonly name: string
  /** Host and port, as the page has them. */
  readonly server: string
  /** Bytes on its disk; null if the server does not say. */
  readonly bytes: number | null
  /** What the data directory of its server is on, if that is seen on the page's machine. */
  readonly fileSystem: FileSystemRoom | null
  /** Why the file system is not known. */
  readonly unseen: string | null
}

export interface FileSystemRoom {
  /** Name of the machine. */
  readonly machine: string
  readonly mountedAt: string
  /** As in ext4. */
  readonly type: string
  readonly totalBytes: number
  /** For those who are not root. */
  readonly freeBytes: number
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
