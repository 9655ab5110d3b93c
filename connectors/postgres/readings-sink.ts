import type { ConsumerName } from '../../processors/contract.ts'
import type { ConflictPolicy } from '../../processors/store/merge-columns.ts'
import type { Quantity } from '../../schemas/quantities.ts'
import { ConnectorError, type Log, type ReadingsSink, type SinkBatch, type SinkResult, type TopicPartition } from '../contract.ts'
import type { BackendChoice, StorageBackend } from './backend.ts'
import { findBackend } from './backend-choice.ts'
import { createDatabase, type Database } from './database.ts'
import type { Day } from './days.ts'
import { type CountedMove, explainRefusal, moveOffsets, offsetStore } from './offsets.ts'
import { checkColumns, describeForeign } from './readings-check.ts'
import { readingsTable } from './readings-table.ts'
import { lookFirstIn } from './recompute-shadow.ts'
import { countRows, noteConflicts, recount } from './row-counts.ts'
import { CHECK_NOW, createRowWriter, type RowWriter, rowCount } from './row-writer.ts'
import type { Session } from './session.ts'
import { blame, isTooMuch } from './sqlstate.ts'

export interface ReadingsSinkOptions {
  readonly url: string
  /** The address of who may make partitions, if that is another. */
  readonly ownerUrl?: string
  readonly backend: BackendChoice
  readonly quantities: readonly Quantity[]
  /** Which value stays if two rows of one device and time differ. */
  readonly conflicts: ConflictPolicy
  /** Whether roll-ups are told of what changes; true if it is not given. */
  readonly rollups?: boolean
  /**
   * Rows go into table `readings` of this schema, a plain one, and conflicts into its
   * `reading_conflict`: for rows that are to be compared with those of the line.
   */
  readonly schema?: string
  readonly log: Log
}

type Committed = Extract<SinkResult, { tag: 'committed' }>

/** invalid_binary_representation */
const INVALID_BINARY = '22P03'

/**
 * The sink over one connection. A batch takes three round trips: offsets by compare-and-set, COPY,
 * COMMIT (docs/architecture.md). `synchronous_commit = off` loses nothing: rows and offsets are in
 * one WAL, so a crash of the server takes back both, and the records are read again from Kafka.
 */
export function createReadingsSink(options: ReadingsSinkOptions): ReadingsSink {
  const { url, backend: choice, quantities, conflicts, rollups = true, log } = options
  let backend: StorageBackend | undefined
  let saidForeign = false
  const table = readingsTable(quantities)
  const rows: RowWriter = createRowWriter(conflicts)
  const owner =
    options.ownerUrl === undefined || options.ownerUrl === url
      ? undefined
      : createDatabase({ url: options.ownerUrl, applicationName: 'millrace store partitions' })
  /** Makes the partitions that these days lack. On TimescaleDB there are none to be made. */
  const ensureDays = async (session: Session, days: readonly Day[]): Promise<void> => {
    if (backend === undefined) return
    const { prepares } = backend
    if (owner === undefined || !prepares) await backend.ensureDays(session, days)
    else await owner.use(async (own) => backend?.ensureDays(own, days))
  }
  const database: Database = createDatabase({
    url,
    applicationName: 'millrace store',
    synchronousCommit: 'off',
    prepare: async (session) => {
      if (options.schema !== undefined) await lookFirstIn(session, options.schema)
      else backend ??= await findBackend(session, choice)
      const foreign = await checkColumns(session, table)
      if (foreign.length > 0 && !saidForeign) log.warn(describeForeign(foreign))
      saidForeign = true
      await rows.prepare(session)
      await rows.announce(session)
    },
  })
  /** Counts of batches whose COMMIT was sent, to be returned if it turns out to have happened. */
  const sent = new WeakMap<SinkBatch, Committed>()

  const attempt = async (session: Session, consumer: ConsumerName, batch: SinkBatch): Promise<SinkResult> => {
    await ensureDays(session, batch.days)
    const moves = countedMoves(batch)
    const affected = await session.script('moving offsets', `BEGIN; ${moveOffsets(consumer, moves)}; SAVEPOINT rows`)
    if (affected[1] !== moves.length) {
      await session.script('leaving the offsets', 'ROLLBACK')
      const refusal = await explainRefusal(session, consumer, moves)
      if (refusal.tag === 'fenced') return refusal
      const counts = sent.get(batch)
      return counts ?? { tag: 'fenced', partitions: moves.map(place) }
    }
    const written = await wholly(session, () => writeAndCommit(session, consumer, batch))
    if (written.tag === 'committed') return written
    await session.script('taking back the batch', 'ROLLBACK')
    sent.delete(batch)
    return written
  }

  const writeAndCommit = async (session: Session, consumer: ConsumerName, batch: SinkBatch): Promise<SinkResult> => {
    const written = await rows.write(session, batch)
    if (written.tag === 'bad-rows') return written
    const { corrections, ...counts } = countRows(batch, written.outcomes)
    const committed: Committed = { tag: 'committed', ...counts }
    const before = [CHECK_NOW]
    const marks = rollups ? rows.marks(batch, written.outcomes) : undefined
    if (marks !== undefined) before.push(marks)
    if (corrections.length > 0) before.push(recount(consumer, corrections))
    if (counts.conflicts.length > 0) before.push(noteConflicts(counts.conflicts))
    sent.set(batch, committed)
    try {
      await session.commit('committing the batch', before.join('; '))
      return committed
    } catch (error) {
      return await rows.explain(session, batch, error)
    }
  }

  const writeAndCheck = async (session: Session, batch: SinkBatch): Promise<SinkResult> => {
    const written = await rows.write(session, batch)
    if (written.tag === 'bad-rows') return written
    try {
      await session.script('dry run of a batch', CHECK_NOW)
    } catch (error) {
      return await rows.explain(session, batch, error)
    }
    const { corrections, ...counts } = countRows(batch, written.outcomes)
    return { tag: 'committed', ...counts }
  }

  return {
    ...offsetStore(database),
    async commit(consumer, batch) {
      checkRows(batch)
      try {
        return await database.use((session) => attempt(session, consumer, batch))
      } catch (error) {
        if (error instanceof ConnectorError && error.code === INVALID_BINARY) {
          // Perhaps a column has got another type since the session began. A new session says
          // which.
          await database.use(async () => undefined)
        }
        if (!(sent.has(batch) && error instanceof ConnectorError && error.transient)) throw error
        // The next attempt learns from the offsets whether that COMMIT happened: it finds them
        // moved, or moves them now.
        log.warn('the connection was lost during COMMIT: finding out on a new one', { cause: error.message })
        return await database.use((session) => attempt(session, consumer, batch))
      }
    },
    dryRun(batch) {
      checkRows(batch)
      return database.use(async (session) => {
        await session.script('dry run of a batch', 'BEGIN; SAVEPOINT rows')
        const result = await wholly(session, () => writeAndCheck(session, batch))
        await session.script('taking back the batch', 'ROLLBACK')
        return result
      })
    },
    async [Symbol.asyncDispose]() {
      await database[Symbol.asyncDispose]()
      await owner?.[Symbol.asyncDispose]()
    },
  }
}

/**
 * Turns the error of a batch that the database cannot take as one into a result. The connection can
 * still be used.
 */
async function wholly(session: Session, write: () => Promise<SinkResult>): Promise<SinkResult> {
  try {
    return await write()
  } catch (error) {
    if (session.lost || !(error instanceof ConnectorError && (isTooMuch(error.code) || blame(error.code) === 'row'))) throw error
    return { tag: 'not-whole', cause: error }
  }
}

function countedMoves(batch: SinkBatch): readonly CountedMove[] {
  return batch.moves.map(({ topic, partition, from, to, leaderEpoch, epoch, rows, dead }) => ({
    topic,
    partition,
    from,
    to,
    leaderEpoch,
    epoch,
    dead,
    stored: rowCount(rows),
  }))
}

/** @throws RangeError if the moves do not have every row exactly once: the counts would be wrong */
function checkRows(batch: SinkBatch): void {
  const counted = batch.moves.reduce((sum, { rows }) => sum + rowCount(rows), 0)
  if (counted !== batch.rows) throw new RangeError(`a batch of ${batch.rows} rows: its moves have ${counted}`)
}

function place({ topic, partition }: TopicPartition): TopicPartition {
  return { topic, partition }
}
