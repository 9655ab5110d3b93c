import type { ClusterSettings } from '../../../connectors/kafka/broker-settings.ts'
import type { ServerSettings } from '../../../connectors/postgres/server-settings.ts'
import type { Space } from '../machine.ts'
import type { SyncRate } from '../measure-sync.ts'
import type { CpuFacts } from './cpu.ts'
import type { DiskKind, FileSystem } from './disks.ts'
import type { MemoryFacts } from './memory.ts'
import type { NetworkCard } from './network.ts'
import type { SystemFacts } from './system.ts'

/** Something that could be seen, or why it could not. */
export type Seen<Value> = { readonly tag: 'seen'; readonly value: Value } | { readonly tag: 'unseen'; readonly why: string }

/** A folder of this machine that a server keeps its data in. */
export interface Place {
  /** As in `WAL of telemetry, app`. */
  readonly what: string
  readonly use: 'database' | 'wal' | 'kafka'
  /** The same for all folders of one server. */
  readonly server: string
  readonly path: string
  readonly fileSystem: FileSystem | undefined
  readonly space: Space | undefined
}

/** A PostgreSQL server that has one of Millrace's databases, or both. */
export interface DatabaseServer {
  /** As in `telemetry, app`. */
  readonly databases: string
  /** Whether it runs on the machine that is looked at. */
  readonly local: boolean
  readonly settings: ServerSettings
  /** Of the disks that its data is on; undefined if they are not seen, or are of several kinds. */
  readonly disk: DiskKind | undefined
}

/** What the configuration asks of machine and servers. */
export interface Workload {
  /** Names of the services, as their units have them. */
  readonly services: readonly string[]
  readonly partitions: number
  readonly retentionHours: number
  readonly maxMessageBytes: number
  readonly retentionDays: number | undefined
}

/** All that the rules judge. */
export interface Facts {
  readonly cpu: CpuFacts
  readonly memory: MemoryFacts
  readonly network: readonly NetworkCard[]
  readonly system: SystemFacts
  readonly places: readonly Place[]
  /** Why folders of servers are not among the places. */
  readonly hiddenPlaces: readonly string[]
  readonly sync: Seen<SyncRate & { readonly folder: string; readonly fileSystem: FileSystem | undefined }>
  readonly databases: Seen<readonly DatabaseServer[]>
  readonly kafka: Seen<ClusterSettings & { readonly local: boolean }>
  readonly workload: Workload
}
