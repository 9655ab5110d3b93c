import { type BadRow, ConnectorError, type ReadingsSink, type SinkBatch, type SinkResult } from '../../connectors/contract.ts'
import type { MemoryDatabase } from './memory-database.ts'

/** A row of readings: the columns that are not null, each as its bytes in hexadecimal. */
export type MemoryRow = ReadonlyMap<string, string>

type Committed = Extract<SinkResult, { tag: 'committed' }>

/** Bytes before the first row of a COPY stream. */
const HEADER_BYTES = 19

/** Stores readings in memory, by their device and time; of two values the first stays. */
export class MemoryReadingsSink implements ReadingsSink {
  readonly claim: ReadingsSink['claim']
  readonly reposition: ReadingsSink['reposition']
  readonly lost: ReadingsSink['lost']
  /** Says what is wrong with a row: its name, as of a constraint. */
  constraint: (row: MemoryRow) => string | undefined = () => undefined
  /** Most rows that it takes at once. */
  mostRows = Number.POSITIVE_INFINITY
  private readonly database: MemoryDatabase
  private readonly rows: Map<string, MemoryRow>
  /** Counts of batches whose COMMIT was sent. */
  private readonly sent = new WeakMap<SinkBatch, Committed>()

  /** @param rows what is stored, by device and time: several sinks may share it */
  constructor(database: MemoryDatabase, rows: Map<string, MemoryRow> = new Map()) {
    this.database = database
    this.rows = rows
    const { claim, reposition, lost } = database.offsetStore()
    this.claim = claim
    this.reposition = reposition
    this.lost = lost
  }

  async commit(...[consumer, batch]: Parameters<ReadingsSink['commit']>): Promise<SinkResult> {
    checkRows(batch)
    try {
      return await this.attempt(consumer, batch)
    } catch (cause) {
      if (!(this.sent.has(batch) && cause instanceof ConnectorError && cause.transient)) throw cause
      return this.attempt(consumer, batch)
    }
  }

  async dryRun(batch: SinkBatch): Promise<SinkResult> {
    checkRows(batch)
    await this.database.reach()
    return this.written(batch).result
  }

  async [Symbol.asyncDispose](): Promise<void> {}

  private async attempt(...[consumer, batch]: Parameters<ReadingsSink['commit']>): Promise<SinkResult> {
    const { database, rows, sent } = this
    await database.reach()
    const moves = batch.moves.map(({ rows: ranges, ...move }) => ({
      ...move,
      stored: ranges.reduce((sum, { first, end }) => sum + end - first, 0),
    }))
    const refused = database.refusal(consumer, moves)
    if (refused?.tag === 'fenced') return refused
    if (refused !== undefined)
      return sent.get(batch) ?? { tag: 'fenced', partitions: moves.map(({ topic, partition }) => ({ topic, partition })) }
    const { result, after, repeats } = this.written(batch)
    if (result.tag !== 'committed') {
      sent.delete(batch)
      return result
    }
    sent.set(batch, result)
    await database.commit(() => {
      const again = database.refusal(consumer, moves)
      if (again !== undefined) throw new RangeError(`offsets moved under a transaction: ${again.tag}`)
      database.move(consumer, moves)
      for (const [key, row] of after) rows.set(key, row)
      for (const move of batch.moves) {
        const row = database.row(consumer, move)
        if (row === undefined) continue
        const repeated = move.rows.reduce((sum, { first, end }) => sum + repeats.filter((index) => index >= first && index < end).length, 0)
        row.repeated += BigInt(repeated)
        row.stored -= BigInt(repeated)
      }
    })
    return result
  }

  /** What came of a batch's rows, and what there would be after it. */
  private written(batch: SinkBatch): { result: SinkResult; after: ReadonlyMap<string, MemoryRow>; repeats: readonly number[] } {
    const after = new Map<string, MemoryRow>()
    const bad: BadRow[] = []
    const repeats: number[] = []
    const decoded = decodeCopy(batch)
    if (decoded.length > this.mostRows)
      return { result: { tag: 'not-whole', cause: new ConnectorError('53200', true, 'out of shared memory') }, after, repeats }
    let [inserted, merged] = [0, 0]
    for (const [index, row] of decoded.entries()) {
      const broken = this.constraint(row)
      if (broken !== undefined) bad.push({ row: index, sqlState: '23514', detail: `violates check constraint "${broken}"` })
      const key = `${row.get('device_id')} ${row.get('ts')}`
      const before = after.get(key) ?? this.rows.get(key)
      const added = [...row.keys()].some((column) => before?.has(column) === false)
      if (before === undefined) inserted++
      else if (added) merged++
      else repeats.push(index)
      after.set(key, new Map([...row, ...(before ?? [])]))
    }
    if (bad.length > 0) return { result: { tag: 'bad-rows', rows: bad }, after, repeats }
    return { result: { tag: 'committed', inserted, merged, repeated: repeats.length, conflicts: [] }, after, repeats }
  }
}

/** @throws RangeError if the moves do not have every row once: the counts would be wrong */
function checkRows(batch: SinkBatch): void {
  const counted = batch.moves.reduce((sum, { rows }) => sum + rows.reduce((own, { first, end }) => own + end - first, 0), 0)
  if (counted !== batch.rows) throw new RangeError(`a batch of ${batch.rows} rows: its moves have ${counted}`)
}

function decodeCopy({ copy, columns }: SinkBatch): readonly MemoryRow[] {
  const rows: MemoryRow[] = []
  let at = HEADER_BYTES
  for (let fields = copy.readInt16BE(at); fields >= 0; fields = copy.readInt16BE(at)) {
    at += 2
    const row = new Map<string, string>()
    for (let field = 0; field < fields; field++) {
      const bytes = copy.readInt32BE(at)
      at += 4
      if (bytes < 0) continue
      row.set(columns[field] ?? `column ${field}`, copy.toString('hex', at, at + bytes))
      at += bytes
    }
    rows.push(row)
  }
  return rows
}
