import type { ConsumerName, DeviceId, Drop } from '../../processors/contract.ts'
import type { BusinessProcess, DeviceInputs, Transaction } from '../../processors/process.ts'
import { ConnectorError, type Log, type OffsetMove, type OffsetStore, type TopicPartition } from '../contract.ts'
import { createDatabase } from './database.ts'
import { explainRefusal, moveOffsets, offsetStore } from './offsets.ts'
import { type ProcessOutputs, processOutputs, transactionOf } from './outbox.ts'
import type { Session } from './session.ts'
import { blame } from './sqlstate.ts'

/** A micro-batch of a business process, and the offsets that it stands for. */
export interface ProcessBatch<Item> {
  readonly devices: readonly DeviceInputs<Item>[]
  /** `handled` and `dead` are added to the counts of the partition in the same transaction. */
  readonly moves: readonly (Omit<OffsetMove, 'rows'> & { readonly handled: number })[]
}

export interface DeviceRejection {
  readonly device: DeviceId
  /** One of the process's reasons, or `defect` if its code threw. */
  readonly reason: string
  readonly detail: string
}

/** Inputs that the process left out on purpose, by reason. */
export type DroppedInputs = ReadonlyMap<string, number>

export type ProcessResult =
  | { readonly tag: 'committed'; readonly dropped: DroppedInputs }
  /** Nothing was written: another owner has at least one of the partitions. Claim again. */
  | { readonly tag: 'fenced'; readonly partitions: readonly TopicPartition[] }
  /**
   * Nothing was written: make dead letters of these devices' records, then commit the batch without
   * them.
   */
  | { readonly tag: 'rejected'; readonly rejections: readonly DeviceRejection[] }

/**
 * Runs business processes on the app database. Throws ConnectorError; after a transient one, commit
 * the same batch again.
 */
export interface ProcessRunner extends OffsetStore, AsyncDisposable {
  /** One transaction: offsets by compare-and-set, then each device within a savepoint. */
  commit<Item>(consumer: ConsumerName, businessProcess: BusinessProcess<Item>, batch: ProcessBatch<Item>): Promise<ProcessResult>
  /** What the process would reject. All its changes are taken back. */
  dryRun<Item>(
    consumer: ConsumerName,
    businessProcess: BusinessProcess<Item>,
    devices: readonly DeviceInputs<Item>[],
  ): Promise<readonly DeviceRejection[]>
}

/** Reason of a dead letter if the code of the process threw. */
const DEFECT = 'defect'
/** in_failed_sql_transaction: the process went on after an error of the database. */
const FAILED_TRANSACTION = '25P02'

export interface ProcessRunnerOptions {
  readonly url: string
  /** What PostgreSQL's views call its session. */
  readonly applicationName?: string
  readonly log: Log
  /** Of a process that has outputs. */
  readonly outputs?: ProcessOutputs | undefined
}

export function createProcessRunner({ url, applicationName = 'millrace process', log, outputs }: ProcessRunnerOptions): ProcessRunner {
  const database = createDatabase({ url, applicationName })

  return {
    ...offsetStore(database),
    async commit(consumer, businessProcess, batch) {
      let sent: DroppedInputs | undefined
      const attempt = (): Promise<ProcessResult> =>
        database.use(async (session) => {
          const result = await run(session, { consumer, businessProcess, outputs }, batch, (dropped) => {
            sent = dropped
          })
          return result.tag === 'done-before' ? { tag: 'committed', dropped: sent ?? new Map() } : result
        })
      try {
        return await attempt()
      } catch (error) {
        if (!(sent !== undefined && error instanceof ConnectorError && error.transient)) throw error
        // The offsets tell whether that COMMIT happened: they have moved, or move now.
        log.warn('the connection was lost during COMMIT: finding out on a new one', { cause: error.message })
        return await attempt()
      }
    },
    dryRun(consumer, businessProcess, devices) {
      return database.use(async (session) => {
        await session.script('beginning a dry run', 'BEGIN')
        const { rejections } = await handleDevices(session, { consumer, businessProcess, outputs }, devices)
        await session.script('taking back the dry run', 'ROLLBACK')
        return rejections
      })
    },
    [Symbol.asyncDispose]: () => database[Symbol.asyncDispose](),
  }
}

/** Who handles the devices, and where what it emits goes. */
interface Handler<Item> {
  readonly consumer: ConsumerName
  readonly businessProcess: BusinessProcess<Item>
  readonly outputs: ProcessOutputs | undefined
}

async function run<Item>(
  session: Session,
  handler: Handler<Item>,
  batch: ProcessBatch<Item>,
  committing: (dropped: DroppedInputs) => void,
): Promise<ProcessResult | { readonly tag: 'done-before' }> {
  const { consumer } = handler
  const moves = batch.moves.map(({ handled, ...move }) => ({ ...move, stored: handled }))
  const affected = await session.script('moving offsets', `BEGIN; ${moveOffsets(consumer, moves)}`)
  if (affected[1] !== moves.length) {
    await session.script('leaving the offsets', 'ROLLBACK')
    return await explainRefusal(session, consumer, moves)
  }
  const { rejections, dropped } = await handleDevices(session, handler, batch.devices)
  if (rejections.length > 0) {
    // The dead letters must be sent before the offsets move, and not inside the transaction, which
    // must not wait for Kafka.
    await session.script('taking back the batch', 'ROLLBACK')
    return { tag: 'rejected', rejections }
  }
  committing(dropped)
  await session.commit('committing the batch')
  return { tag: 'committed', dropped }
}

/** What came of the devices of a batch. */
export interface HandledDevices {
  readonly rejections: readonly DeviceRejection[]
  readonly dropped: DroppedInputs
}

async function handleDevices<Item>(
  session: Session,
  handler: Handler<Item>,
  devices: readonly DeviceInputs<Item>[],
): Promise<HandledDevices> {
  const { consumer, businessProcess, outputs } = handler
  const doing = `process ${consumer}, before its devices`
  if (devices.length > 0) await businessProcess.before?.(devices, transactionOf(session, doing, outputs))
  // By ID: two transactions, of one process or of two, lock the rows of devices in one order.
  const sorted = [...devices].sort((a, b) => (a.device < b.device ? -1 : 1))
  const rejections: DeviceRejection[] = []
  const dropped = new Map<string, number>()
  for (const inputs of await leftByTogether(session, handler, sorted)) {
    const outcome = await handleDevice(session, handler, inputs)
    if (outcome?.tag === 'reject') rejections.push(outcome.rejection)
    else if (outcome?.tag === 'drop') dropped.set(outcome.reason, (dropped.get(outcome.reason) ?? 0) + inputs.items.length)
  }
  return { rejections, dropped }
}

/**
 * Handles devices within one savepoint, if the process can. What it did is taken back if a device
 * is at fault: which one, only handling them one by one tells.
 * @returns the devices that are left
 * @throws ConnectorError if the database is at fault
 */
async function leftByTogether<Item>(
  session: Session,
  { consumer, businessProcess: { together }, outputs }: Handler<Item>,
  devices: readonly DeviceInputs<Item>[],
): Promise<readonly DeviceInputs<Item>[]> {
  if (together === undefined || devices.length === 0) return devices
  const doing = `process ${consumer}, all devices of a batch`
  await session.script(doing, 'SAVEPOINT devices')
  try {
    const left = await together(devices, transactionOf(session, doing, outputs))
    await session.script(doing, 'RELEASE SAVEPOINT devices')
    return left
  } catch (error) {
    if (!isDevices(error, session)) throw error
    await session.script(doing, 'ROLLBACK TO SAVEPOINT devices')
    return devices
  }
}

/** What became of one device, if it was not handled. */
export type DeviceOutcome = { readonly tag: 'reject'; readonly rejection: DeviceRejection } | Drop

/**
 * Handles one device within a savepoint. What it did is taken back if it is rejected or dropped.
 * @throws ConnectorError if the database is at fault
 */
export async function handleDevice<Item>(
  session: Session,
  { consumer, businessProcess: { handle, reasons }, outputs }: Handler<Item>,
  { device, items }: DeviceInputs<Item>,
): Promise<DeviceOutcome | undefined> {
  const doing = `process ${consumer}, device ${device}`
  const tx = transactionOf(session, doing, outputs)
  await session.script(doing, 'SAVEPOINT device')
  try {
    const outcome = await handle(device, items, tx)
    if (outcome === undefined) {
      await session.script(doing, 'RELEASE SAVEPOINT device')
      return undefined
    }
    if (outcome.tag === 'reject' && !(outcome.reason in reasons))
      throw new RangeError(`rejected for "${outcome.reason}", which is not in its list of reasons`)
    await session.script(doing, 'ROLLBACK TO SAVEPOINT device')
    return outcome.tag === 'drop' ? outcome : rejection(device, outcome.reason, outcome.detail)
  } catch (error) {
    if (!isDevices(error, session)) throw error
    await session.script(doing, 'ROLLBACK TO SAVEPOINT device')
    return rejection(device, DEFECT, error instanceof Error ? error.message : String(error))
  }
}

function rejection(device: DeviceId, reason: string, detail: string): DeviceOutcome {
  return { tag: 'reject', rejection: { device, reason, detail } }
}

/**
 * Whether an error is about this device's inputs, or the code that handles them. Otherwise it comes
 * from the database, or from a missing table, and concerns all devices.
 */
function isDevices(error: unknown, session: Session): boolean {
  if (session.lost) return false
  return !(error instanceof ConnectorError) || error.code === FAILED_TRANSACTION || blame(error.code) === 'row'
}

/** A transaction that is taken back at its end, whatever happens in it. */
export interface Rehearsal {
  /** The transaction itself, for what a test prepares and looks at. */
  readonly tx: Transaction
  /** Handles these devices as `ProcessRunner.commit` does, each within a savepoint. */
  handle<Item>(
    consumer: ConsumerName,
    businessProcess: BusinessProcess<Item>,
    devices: readonly DeviceInputs<Item>[],
  ): Promise<HandledDevices>
}

/**
 * Runs business processes for a test, in one transaction that never commits. It refuses statements
 * that would end the transaction, which is the service's: with them nothing could be taken back.
 * Throws ConnectorError.
 */
export async function rehearse<Result>(url: string, work: (rehearsal: Rehearsal) => Promise<Result>): Promise<Result> {
  await using database = createDatabase({ url, applicationName: 'millrace test' })
  return await database.use(async (session) => {
    await session.script('beginning a rehearsal', 'BEGIN')
    try {
      return await work({
        tx: guarded(transactionOf(session, 'looking at a rehearsal', undefined)),
        handle: (consumer, businessProcess, devices) => {
          const outputs = processOutputs(consumer, businessProcess, new Map(), new Map())
          return handleDevices(session, { consumer, businessProcess: guardedProcess(businessProcess), outputs }, devices)
        },
      })
    } finally {
      if (!session.lost) await session.script('taking back the rehearsal', 'ROLLBACK')
    }
  })
}

function guardedProcess<Item>(businessProcess: BusinessProcess<Item>): BusinessProcess<Item> {
  const { handle, together } = businessProcess
  return {
    ...businessProcess,
    handle: (device, items, tx, lookups) => handle(device, items, guarded(tx), lookups),
    ...(together === undefined
      ? {}
      : { together: (inputs: readonly DeviceInputs<Item>[], tx: Transaction) => together(inputs, guarded(tx)) }),
  }
}

function guarded(tx: Transaction): Transaction {
  return {
    query: async (text, values) => {
      if (ENDS_TRANSACTION.test(text)) throw new RangeError(`a process must leave its transaction alone, got ${JSON.stringify(text)}`)
      return tx.query(text, values)
    },
    emit: (to, value, key) => tx.emit(to, value, key),
  }
}

/** After comments. SAVEPOINT too: the service has one for each device. */
const ENDS_TRANSACTION =
  /^(?:\s|;|--[^\n]*\n|\/\*[\s\S]*?\*\/)*(?:begin|start\s+transaction|commit|end|rollback|abort|prepare\s+transaction|savepoint|release)\b/i
