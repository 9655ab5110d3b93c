import type { Topic } from '../../processors/contract.ts'
import { ConnectorError } from '../contract.ts'
import { createDatabase, type Database } from './database.ts'
import type { Session } from './session.ts'

/** What became of a dead letter that a redrive has settled. */
export const outcomes = ['succeeded', 'partly-succeeded', 'failed-again', 'dropped', 'repeat'] as const
export type RedriveOutcome = (typeof outcomes)[number]

/** A dead letter that no redrive needs to see again. */
export interface SettledDeadLetter {
  readonly partition: number
  readonly offset: bigint
  readonly outcome: RedriveOutcome
}

export interface RedriveRun {
  readonly processor: string
  /** Who runs it. */
  readonly by: string
  /** What was asked for, as an object for JSON. */
  readonly filters: object
}

export type Ending = 'finished' | 'interrupted' | 'failed'

/** Outcomes of the dead letters of one topic, by partition and offset. */
export type Settled = ReadonlyMap<number, ReadonlyMap<bigint, RedriveOutcome>>

/** What redrives have done, in the telemetry database. Everything throws ConnectorError. */
export interface RedriveLog extends AsyncDisposable {
  /** Dead letters of a topic that are settled. */
  settled(topic: Topic, topicId: string): Promise<Settled>
  /**
   * Begins a run and returns its number. Not transient if another run of the processor is under
   * way.
   */
  begin(run: RedriveRun): Promise<bigint>
  /**
   * Settles dead letters and counts them for the run, in one transaction. Doing it again changes
   * nothing.
   */
  settle(run: bigint, topic: Topic, topicId: string, deadLetters: readonly SettledDeadLetter[]): Promise<void>
  end(run: bigint, ending: Ending): Promise<void>
  /**
   * Forgets dead letters that Kafka no longer has: those before a partition's earliest offset, and
   * those of earlier topics of the same name.
   */
  forget(topic: Topic, topicId: string, earliest: readonly { readonly partition: number; readonly offset: bigint }[]): Promise<void>
}

/** @param url the telemetry database */
export function createRedriveLog(url: string): RedriveLog {
  /**
   * The processor of the run under way. Its lock belongs to the session, so it ends with the
   * process. A new session takes it again.
   */
  let running: string | undefined
  const database: Database = createDatabase({
    url,
    applicationName: 'millrace redrive',
    prepare: async (session) => {
      // The server may not know yet that the earlier session is gone. That passes, so the error is
      // transient.
      if (running !== undefined) await lock(session, running, true)
    },
  })
  return {
    settled: (topic, topicId) => database.use((session) => readSettled(session, topic, topicId)),
    begin: (run) =>
      database.use(async (session) => {
        await lock(session, run.processor, false)
        running = run.processor
        const [row] = await session.query<{ id: bigint }>(
          'beginning a redrive',
          'INSERT INTO redrive_run (processor, started_by, filters) VALUES ($1, $2, $3) RETURNING id',
          [run.processor, run.by, JSON.stringify(run.filters)],
        )
        if (row === undefined) throw new RangeError('beginning a redrive: the database returned no row')
        return row.id
      }),
    settle: (run, topic, topicId, deadLetters) => database.use((session) => settle(session, run, topic, topicId, deadLetters)),
    end: (run, ending) =>
      database.use(async (session) => {
        await session.query('ending a redrive', 'UPDATE redrive_run SET ended_at = now(), ending = $2 WHERE id = $1', [run, ending])
      }),
    forget: (topic, topicId, earliest) =>
      database.use(async (session) => {
        await session.query('forgetting settled dead letters', 'DELETE FROM redriven_dead_letter WHERE topic = $1 AND topic_id <> $2', [
          topic,
          topicId,
        ])
        await session.query(
          'forgetting settled dead letters',
          `DELETE FROM redriven_dead_letter r USING unnest($3::integer[], $4::bigint[]) AS e (partition, earliest)
           WHERE r.topic = $1 AND r.topic_id = $2 AND r.partition = e.partition AND r.dead_letter_offset < e.earliest`,
          [topic, topicId, earliest.map(({ partition }) => partition), earliest.map(({ offset }) => offset)],
        )
      }),
    [Symbol.asyncDispose]: () => database[Symbol.asyncDispose](),
  }
}

async function lock(session: Session, processor: string, transient: boolean): Promise<void> {
  const [row] = await session.query<{ locked: boolean }>(
    'locking a redrive',
    'SELECT pg_try_advisory_lock(hashtextextended($1, 0)) AS locked',
    [`millrace redrive ${processor}`],
  )
  if (row?.locked !== true)
    throw new ConnectorError('REDRIVE_RUNNING', transient, `another redrive of ${processor} is under way: wait for it, or end it`)
}

async function readSettled(session: Session, topic: Topic, topicId: string): Promise<Settled> {
  const rows = await session.query<{ partition: number; dead_letter_offset: bigint; outcome: RedriveOutcome }>(
    'reading settled dead letters',
    'SELECT partition, dead_letter_offset, outcome FROM redriven_dead_letter WHERE topic = $1 AND topic_id = $2',
    [topic, topicId],
  )
  const settled = new Map<number, Map<bigint, RedriveOutcome>>()
  for (const { partition, dead_letter_offset, outcome } of rows) {
    settled.set(partition, (settled.get(partition) ?? new Map<bigint, RedriveOutcome>()).set(dead_letter_offset, outcome))
  }
  return settled
}

async function settle(
  session: Session,
  run: bigint,
  topic: Topic,
  topicId: string,
  deadLetters: readonly SettledDeadLetter[],
): Promise<void> {
  await session.query(
    'settling dead letters',
    `WITH settled AS (
       INSERT INTO redriven_dead_letter (topic, topic_id, partition, dead_letter_offset, run, outcome)
       SELECT $2, $3, partition, dead_letter_offset, $1, outcome
       FROM unnest($4::integer[], $5::bigint[], $6::text[]) AS dead (partition, dead_letter_offset, outcome)
       ON CONFLICT DO NOTHING RETURNING outcome
     ), counted AS (
       SELECT count(*) FILTER (WHERE outcome = 'succeeded') AS succeeded, count(*) FILTER (WHERE outcome = 'partly-succeeded') AS partly_succeeded,
         count(*) FILTER (WHERE outcome = 'failed-again') AS failed_again, count(*) FILTER (WHERE outcome = 'dropped') AS dropped,
         count(*) FILTER (WHERE outcome = 'repeat') AS repeats
       FROM settled
     )
     UPDATE redrive_run r SET succeeded = r.succeeded + c.succeeded, partly_succeeded = r.partly_succeeded + c.partly_succeeded,
       failed_again = r.failed_again + c.failed_again, dropped = r.dropped + c.dropped, repeats = r.repeats + c.repeats
     FROM counted c WHERE r.id = $1`,
    [
      run,
      topic,
      topicId,
      deadLetters.map(({ partition }) => partition),
      deadLetters.map(({ offset }) => offset),
      deadLetters.map(({ outcome }) => outcome),
    ],
  )
}
