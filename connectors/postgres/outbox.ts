import type { DeviceId, Topic } from '../../processors/contract.ts'
import type { BusinessProcess, Transaction } from '../../processors/process.ts'
import type { Session } from './session.ts'

/** How what a process emits becomes records. */
export interface ProcessOutputs {
  /** Whose service sends them. */
  readonly process: string
  /** By the name that the process emits to. */
  readonly encoders: ReadonlyMap<string, OutputEncoder>
}

export interface OutputEncoder {
  readonly topic: Topic
  /** Throws for a value that its topic does not take. */
  readonly encode: (value: unknown) => readonly Buffer[]
}

/**
 * Encoders with IDs of schemas that are known.
 * @param ids of the schemas, by topic; 0 for what is never sent
 */
export function processOutputs(
  name: string,
  { to }: Pick<BusinessProcess<unknown>, 'to'>,
  ids: ReadonlyMap<Topic, number>,
  limits: ReadonlyMap<Topic, number>,
): ProcessOutputs {
  const encoders = new Map<string, OutputEncoder>()
  for (const [output, { topic, encoder }] of Object.entries(to)) {
    const most = limits.get(topic) ?? Number.MAX_SAFE_INTEGER
    const encode = encoder(ids.get(topic) ?? 0, most) as (value: unknown) => Buffer | readonly Buffer[]
    encoders.set(output, {
      topic,
      encode(value) {
        const encoded = encode(value)
        const values = Buffer.isBuffer(encoded) ? [encoded] : encoded
        const largest = Math.max(0, ...values.map(({ length }) => length))
        if (largest > most) throw new RangeError(`a record of ${largest} bytes for ${topic}, which takes ${most}`)
        return values
      },
    })
  }
  return { process: name, encoders }
}

/** A record that waits in the table. */
export interface OutboxRow {
  readonly id: bigint
  readonly topic: Topic
  readonly key: Buffer
  readonly value: Buffer
  readonly createdMs: number
}

/** The session's transaction, as a process has it. What it emits is a row of table `outbox`. */
export function transactionOf(session: Session, doing: string, outputs: ProcessOutputs | undefined): Transaction {
  return {
    query: (text, values) => session.query(doing, text, values),
    async emit(to: string, value: unknown, key: DeviceId) {
      const output = outputs?.encoders.get(to)
      if (outputs === undefined || output === undefined) throw new RangeError(`emitted to "${to}", which is not in its list of outputs`)
      for (const record of output.encode(value))
        await session.query(doing, 'INSERT INTO outbox (process, topic, key, value) VALUES ($1, $2, $3, $4)', [
          outputs.process,
          output.topic,
          Buffer.from(key, 'latin1'),
          record,
        ])
    },
  }
}

/** Class of the advisory locks below, of Millrace's own: one sender of each process at a time. */
const SENDERS = 2_028

/**
 * Takes the turn of sending for a process, and reads the first rows. Undefined if another instance
 * has the turn. It is held by the session, beyond the transaction, until `endTurn`.
 */
export async function takeTurn(session: Session, process: string, most: number): Promise<readonly OutboxRow[] | undefined> {
  const doing = `reading the outbox of ${process}`
  const [lock] = await session.query<{ taken: boolean }>(doing, 'SELECT pg_try_advisory_lock($1, hashtext($2)) AS taken', [
    SENDERS,
    process,
  ])
  if (lock?.taken !== true) return undefined
  const rows = await session.query<{ id: bigint; topic: string; key: Buffer; value: Buffer; created_at: Date }>(
    doing,
    'SELECT id, topic, key, value, created_at FROM outbox WHERE process = $1 ORDER BY id LIMIT $2',
    [process, most],
  )
  return rows.map(({ id, topic, key, value, created_at: createdAt }) => ({
    id,
    topic: topic as Topic,
    key,
    value,
    createdMs: createdAt.getTime(),
  }))
}

/** Deletes what Kafka has acknowledged, and gives the turn away. */
export async function endTurn(session: Session, process: string, sent: readonly OutboxRow[]): Promise<void> {
  const doing = `deleting sent records of ${process}`
  if (sent.length > 0) await session.query(doing, 'DELETE FROM outbox WHERE id = ANY($1)', [sent.map(({ id }) => id)])
  await session.query(doing, 'SELECT pg_advisory_unlock($1, hashtext($2))', [SENDERS, process])
}

/**
 * One transaction of what a process does regularly. False if another instance is at it.
 */
export async function runAlone(
  session: Session,
  process: string,
  outputs: ProcessOutputs | undefined,
  work: (tx: Transaction) => Promise<void>,
): Promise<boolean> {
  const doing = `what ${process} does regularly`
  await session.script(doing, 'BEGIN')
  const [lock] = await session.query<{ taken: boolean }>(doing, 'SELECT pg_try_advisory_xact_lock($1, hashtext($2)) AS taken', [
    SENDERS + 1,
    process,
  ])
  if (lock?.taken !== true) {
    await session.script(doing, 'ROLLBACK')
    return false
  }
  await work(transactionOf(session, doing, outputs))
  await session.commit(doing)
  return true
}
