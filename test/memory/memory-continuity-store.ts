import { type BootRow, bootOf } from '../../connectors/postgres/continuity-rows.ts'
import type { ContinuityStore, LedgerBatch } from '../../connectors/postgres/continuity-store.ts'
import type { StoredPosition } from '../../connectors/postgres/offsets.ts'
import type { BootState } from '../../processors/continuity/boot.ts'
import type { BootKey, LoadedBoots } from '../../processors/continuity/ledger.ts'
import type { ConsumerName, Topic } from '../../processors/contract.ts'
import type { MemoryDatabase } from './memory-database.ts'

/** Of `bootColumns`, in their order. */
const COLUMNS: readonly (keyof BootRow)[] = [
  'device',
  'boot',
  'next',
  'begins',
  'stored',
  'dead',
  'partly',
  'dropped',
  'firstSample',
  'lastSample',
  'firstReceivedMs',
  'lastReceivedMs',
  'settledBelow',
  'settledStored',
  'settledDead',
  'settledPartly',
  'settledUnknown',
  'aheadSample',
  'firstNumber',
]

/**
 * Keeps the boots of devices in memory. It folds none, and keeps nothing of names that are none.
 */
export class MemoryContinuityStore implements ContinuityStore {
  readonly claim: ContinuityStore['claim']
  readonly reposition: ContinuityStore['reposition']
  readonly lost: ContinuityStore['lost']
  private readonly rows = new Map<string, BootRow>()
  private readonly database: MemoryDatabase

  constructor(database: MemoryDatabase) {
    this.database = database
    const { claim, reposition, lost } = database.offsetStore()
    this.claim = claim
    this.reposition = reposition
    this.lost = lost
  }

  /** What is written of boots, by device and boot: whoever loads one changes his own. */
  get boots(): ReadonlyMap<string, BootState> {
    return new Map([...this.rows].map(([key, row]) => [key, bootOf(row)]))
  }

  async load(keys: readonly BootKey[]): Promise<LoadedBoots> {
    await this.database.reach()
    const written = this.boots
    const boots = keys.flatMap(({ device, boot }) => written.get(`${device}/${boot}`) ?? [])
    const since = new Map<string, number>()
    for (const { device, firstReceivedMs } of written.values())
      since.set(device, Math.min(firstReceivedMs, since.get(device) ?? Number.POSITIVE_INFINITY))
    return { boots, folded: [], strangers: new Set(), since }
  }

  async commit(consumer: ConsumerName, batch: LedgerBatch): Promise<boolean> {
    const { database } = this
    await database.reach()
    const moves = batch.moves.map((move) => ({ ...move, stored: 0, dead: 0 }))
    const refused = database.refusal(consumer, moves)
    if (refused !== undefined) return refused.tag === 'done-before'
    await database.commit(() => {
      const again = database.refusal(consumer, moves)
      if (again !== undefined) throw new RangeError(`offsets moved under a transaction: ${again.tag}`)
      database.move(consumer, moves)
      for (const row of batch.boots.flatMap(decodeColumns)) this.rows.set(`${row.device}/${row.boot}`, row)
    })
    return true
  }

  positions(consumer: ConsumerName, topic: Topic): Promise<readonly StoredPosition[]> {
    return this.database.positions(consumer, topic)
  }

  async [Symbol.asyncDispose](): Promise<void> {}
}

function decodeColumns(columns: readonly unknown[]): readonly BootRow[] {
  const [devices = []] = columns as readonly (readonly unknown[])[]
  return devices.map(
    (_, index) =>
      Object.fromEntries(COLUMNS.map((name, column) => [name, (columns[column] as readonly unknown[])[index]])) as unknown as BootRow,
  )
}
