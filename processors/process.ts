/**
 * What a business process is: readings or other records in, changes of state in the app database
 * out, in the same transaction as the offsets. It runs as its own consumer group, apart from the
 * store: its errors, its locks and its scaling are its own.
 */
import { isMalformed, MalformedError, MOST_SAMPLES } from '../schemas/frame-reader.ts'
import {
  type DeviceId,
  type Drop,
  type GivingSource,
  type KafkaRecord,
  type LookupName,
  type Lookups,
  type LookupsWith,
  type NoTables,
  type Output,
  parseDeviceId,
  type ReasonDoc,
  type reject,
  type Source,
  withNeedsOf,
} from './contract.ts'
import type { LookupTables } from './lookup-table.ts'

/** What `reject` gives. */
export type Rejected = ReturnType<typeof reject>

/** The app database, inside the transaction that moves the offsets. */
export interface Transaction {
  /**
   * One statement with parameters ($1, …); int8 comes back as bigint. An error that is the
   * database's fault ends the batch; it is tried again.
   */
  query<Row extends Record<string, unknown>>(text: string, values?: readonly unknown[]): Promise<readonly Row[]>
  /**
   * Sends a value to one of the declared outputs if the transaction commits, and only then: at
   * least once, in the order of the transactions of one key. A consumer tells a repeat by an ID
   * that the value has.
   * @param key device that the record is about
   */
  emit(to: string, value: unknown, key: DeviceId): Promise<void>
}

type Outputs = { readonly [name: string]: Output<never> }
type NoOutputs = Record<never, Output<never>>

/** A transaction that takes what the outputs `To` take, and no other. */
export interface OutputTransaction<To extends Outputs> extends Pick<Transaction, 'query'> {
  emit<Name extends keyof To & string>(to: Name, value: To[Name] extends Output<infer Value> ? Value : never, key: DeviceId): Promise<void>
}

/** What a process does every so often, whether anything comes or not. */
export interface Regularly<Tx> {
  /** Milliseconds from the end of one time to the next. */
  readonly everyMs: number
  /**
   * One transaction. Of several instances one does it at a time.
   * @param behindSeconds all that the bridge received until so many seconds ago has been handled.
   *   Infinity if that is long ago, or the bridge does not run; undefined if it is not known yet
   */
  readonly handle: (tx: Tx, behindSeconds: number | undefined) => Promise<void>
}

/**
 * A process: its folder's name is its consumer group, its metric label and the prefix of its
 * dead-letter topic.
 */
export interface BusinessProcess<Item> {
  readonly from: Source<Item>
  /** All its outputs, apart from what it writes to the database. */
  readonly to: Outputs
  readonly database: 'app'
  /**
   * The order of a device's inputs in one micro-batch. `newest-first` and `oldest-first` go by
   * `time`; newest first, what is superseded can be skipped. `as-they-came` is Kafka's order, which
   * no clock can disturb.
   */
  readonly order: 'newest-first' | 'oldest-first' | 'as-they-came'
  /** When the input happened, in microseconds since 1970. */
  readonly time: (item: Item) => number
  /** Its own look-ups and those of its source. */
  readonly needs: readonly LookupName[]
  /** Tables of the app database that `handle` looks up. None if absent. */
  readonly tables?: LookupTables
  /** Closed list: a rejection with another reason is a defect. */
  readonly reasons: Readonly<Record<string, ReasonDoc>>
  /**
   * Where its metrics are on a machine that runs several services, if the configuration does not
   * say.
   */
  readonly metricsPort?: number
  /**
   * Runs once in the transaction, before the devices: takes locks in an order that all instances
   * share, so that they never wait for each other. If it throws, the batch fails, and no device is
   * at fault.
   */
  readonly before?: (inputs: readonly DeviceInputs<Item>[], tx: Transaction) => Promise<void>
  /**
   * Handles one device's inputs of a micro-batch, at least one, within a savepoint of their own. If
   * it throws or rejects, this device's records become dead letters, and what it did for them is
   * taken back; the other devices go on. (If the database is at fault, the batch is tried again
   * instead.) It may run again for the same inputs if the transaction did not commit, so it must do
   * everything through `tx`. What it looks up is as it was when the batch was prepared; what it
   * reads through `tx` is as of the transaction.
   *
   * `drop` leaves the device's inputs out on purpose: what it did for them is taken back, and once
   * the transaction has committed they are counted under the reason.
   *
   * The look-ups are absent only if it needs none and declares no table: `withLookups` adds them.
   */
  readonly handle: (device: DeviceId, items: readonly Item[], tx: Transaction, lookups?: Lookups) => Promise<Rejected | Drop | undefined>
  /**
   * Handles the devices of a micro-batch with one savepoint and few statements, and rejects none.
   * Those that it returns are left to `handle`, one by one, in the same transaction. If it throws,
   * or the database refuses a row, all are. For what most devices of a batch need.
   */
  readonly together?: (inputs: readonly DeviceInputs<Item>[], tx: Transaction) => Promise<readonly DeviceInputs<Item>[]>
  readonly regularly?: Regularly<Transaction>
  /** Its service sends the rows of table `webhook_delivery`, which it adds. */
  readonly webhooks?: true
}

/** What a process says of itself: `needs` are its own, none if absent; no outputs if `to` is. */
export interface ProcessDeclaration<Item, Tables extends LookupTables = NoTables, To extends Outputs = NoOutputs>
  extends Omit<BusinessProcess<Item>, 'from' | 'needs' | 'tables' | 'to' | 'handle' | 'regularly'> {
  readonly from: GivingSource<Item>
  readonly to?: To
  readonly needs?: readonly LookupName[]
  /** Tables of the app database that `handle` looks up, by the names that it has for them. */
  readonly tables?: Tables
  /** As that of a `BusinessProcess`. */
  readonly handle: (
    device: DeviceId,
    items: readonly Item[],
    tx: OutputTransaction<To>,
    lookups: LookupsWith<Tables>,
  ) => Promise<Rejected | Drop | undefined>
  readonly regularly?: Regularly<OutputTransaction<To>>
}

/** Declares a process. The types tie what it emits to its outputs and their schemas. */
export function defineProcess<Item, const Tables extends LookupTables = NoTables, const To extends Outputs = NoOutputs>(
  declaration: ProcessDeclaration<Item, Tables, To>,
): BusinessProcess<Item> {
  const { from, needs = [], to = {} } = declaration
  // Whoever runs it prepares what it looks up, and adds it.
  const handle = declaration.handle as BusinessProcess<Item>['handle']
  return { ...declaration, to, handle, needs: withNeedsOf(from, needs) }
}

/** The process with its look-ups at hand, for one batch. */
export function withLookups<Item>(businessProcess: BusinessProcess<Item>, lookups: Lookups): BusinessProcess<Item> {
  return { ...businessProcess, handle: (device, items, tx) => businessProcess.handle(device, items, tx, lookups) }
}

/** One device's part of a micro-batch. */
export interface DeviceInputs<Item> {
  readonly device: DeviceId
  /** In the process's order. */
  readonly items: readonly Item[]
  /** The records that the items came from, in Kafka's order. */
  readonly records: readonly KafkaRecord[]
}

/** A record that never becomes an input. */
export interface Undecodable {
  readonly record: KafkaRecord
  readonly detail: string
}

export interface Inputs<Item> {
  readonly devices: readonly DeviceInputs<Item>[]
  readonly undecodable: readonly Undecodable[]
  /** How many its source left out on purpose, by reason. */
  readonly dropped: ReadonlyMap<string, number>
}

/**
 * The inputs of a micro-batch by device, which is the record's key. Records without inputs are left
 * out.
 */
export function inputsByDevice<Item>(
  { from, order, time }: Pick<BusinessProcess<Item>, 'from' | 'order' | 'time'>,
  records: readonly KafkaRecord[],
  lookups: Lookups,
): Inputs<Item> {
  const devices = new Map<DeviceId, { items: Item[]; records: KafkaRecord[] }>()
  const undecodable: Undecodable[] = []
  const dropped = new Map<string, number>()
  for (const record of records) {
    try {
      if (record.unreadable !== undefined) throw new MalformedError(record.unreadable)
      const items: Item[] = []
      const device = parseDeviceId(record.key?.toString('latin1') ?? '')
      if (device === undefined)
        throw new MalformedError(`expected a device ID as key, got ${JSON.stringify(record.key?.toString('latin1') ?? null)}`)
      const only = record.only === undefined || record.only.samples.length === 0 ? undefined : new Set(record.only.samples)
      const left: string[] = []
      const each = (item: Item, sample: number | null): void => {
        if (only !== undefined && sample !== null && !only.has(sample)) return
        if (items.length === MOST_SAMPLES) throw new MalformedError(`expected at most ${MOST_SAMPLES} samples in a record`)
        items.push(item)
      }
      from.decode(record, lookups, each, (reason) => left.push(reason))
      for (const reason of left) dropped.set(reason, (dropped.get(reason) ?? 0) + 1)
      if (items.length === 0) continue
      const inputs = devices.get(device)
      if (inputs === undefined) devices.set(device, { items, records: [record] })
      else {
        for (const item of items) inputs.items.push(item)
        inputs.records.push(record)
      }
    } catch (cause) {
      if (!isMalformed(cause)) throw cause
      undecodable.push({ record, detail: cause.message })
    }
  }
  return {
    devices: [...devices].map(([device, inputs]) => ({ device, records: inputs.records, items: inOrder(inputs.items, order, time) })),
    undecodable,
    dropped,
  }
}

/** Sorted by time. Those of one time keep the order in which they came, or its reverse. */
function inOrder<Item>(items: readonly Item[], order: BusinessProcess<Item>['order'], time: (item: Item) => number): readonly Item[] {
  if (order === 'as-they-came') return items
  const sorted = [...items].sort((a, b) => time(a) - time(b))
  return order === 'newest-first' ? sorted.reverse() : sorted
}
