import { ConnectorError } from '../../connectors/contract.ts'
import type {
  DeviceRejection,
  DroppedInputs,
  HandledDevices,
  ProcessBatch,
  ProcessResult,
  ProcessRunner,
} from '../../connectors/postgres/process-runner.ts'
import type { ConsumerName } from '../../processors/contract.ts'
import type { BusinessProcess, DeviceInputs, Transaction } from '../../processors/process.ts'
import type { MemoryDatabase } from './memory-database.ts'

/** What a statement does to a table of numbers; throws what the database refuses. */
export type Statement = (table: Map<string, bigint>, values: readonly unknown[]) => void

/**
 * Runs business processes on a table of numbers in memory. SQL is not read: each statement is the
 * one that it was made with.
 */
export class MemoryProcessRunner implements ProcessRunner {
  readonly claim: ProcessRunner['claim']
  readonly reposition: ProcessRunner['reposition']
  readonly lost: ProcessRunner['lost']
  table: ReadonlyMap<string, bigint> = new Map()
  private readonly database: MemoryDatabase
  private readonly statement: Statement

  constructor(database: MemoryDatabase, statement: Statement) {
    this.database = database
    this.statement = statement
    const { claim, reposition, lost } = database.offsetStore()
    this.claim = claim
    this.reposition = reposition
    this.lost = lost
  }

  async commit<Item>(consumer: ConsumerName, businessProcess: BusinessProcess<Item>, batch: ProcessBatch<Item>): Promise<ProcessResult> {
    let sent: DroppedInputs | undefined
    const attempt = async (): Promise<ProcessResult> => {
      const result = await this.attempt(consumer, businessProcess, batch, (dropped) => {
        sent = dropped
      })
      return result.tag === 'done-before' ? { tag: 'committed', dropped: sent ?? new Map() } : result
    }
    try {
      return await attempt()
    } catch (cause) {
      if (!(sent !== undefined && cause instanceof ConnectorError && cause.transient)) throw cause
      return attempt()
    }
  }

  async dryRun<Item>(
    _consumer: ConsumerName,
    businessProcess: BusinessProcess<Item>,
    devices: readonly DeviceInputs<Item>[],
  ): Promise<readonly DeviceRejection[]> {
    await this.database.reach()
    return (await this.handled(businessProcess, devices)).rejections
  }

  async [Symbol.asyncDispose](): Promise<void> {}

  private async attempt<Item>(
    consumer: ConsumerName,
    businessProcess: BusinessProcess<Item>,
    batch: ProcessBatch<Item>,
    committing: (dropped: DroppedInputs) => void,
  ): Promise<ProcessResult | { readonly tag: 'done-before' }> {
    const { database } = this
    await database.reach()
    const moves = batch.moves.map(({ handled, ...move }) => ({ ...move, stored: handled }))
    const refused = database.refusal(consumer, moves)
    if (refused !== undefined) return refused
    const { rejections, dropped, table } = await this.handled(businessProcess, batch.devices)
    if (rejections.length > 0) return { tag: 'rejected', rejections }
    committing(dropped)
    await database.commit(() => {
      const again = database.refusal(consumer, moves)
      if (again !== undefined) throw new RangeError(`offsets moved under a transaction: ${again.tag}`)
      database.move(consumer, moves)
      this.table = table
    })
    return { tag: 'committed', dropped }
  }

  private async handled<Item>(
    { before, handle, reasons }: BusinessProcess<Item>,
    devices: readonly DeviceInputs<Item>[],
  ): Promise<HandledDevices & { readonly table: ReadonlyMap<string, bigint> }> {
    let table = new Map(this.table)
    const rejections: DeviceRejection[] = []
    const dropped = new Map<string, number>()
    const tx: Transaction = {
      query: async (_text, values = []) => {
        this.statement(table, values)
        return []
      },
      emit: async () => undefined,
    }
    if (devices.length > 0) await before?.(devices, tx)
    for (const { device, items } of devices) {
      const savepoint = new Map(table)
      try {
        const outcome = await handle(device, items, tx)
        if (outcome === undefined) continue
        const { tag, reason } = outcome
        if (tag === 'reject' && !(reason in reasons)) throw new RangeError(`rejected for "${reason}", which is not in its list of reasons`)
        if (tag === 'reject') rejections.push({ device, reason, detail: outcome.detail })
        else dropped.set(reason, (dropped.get(reason) ?? 0) + items.length)
      } catch (cause) {
        rejections.push({ device, reason: 'defect', detail: cause instanceof Error ? cause.message : String(cause) })
      }
      table = savepoint
    }
    return { rejections, dropped, table }
  }
}
