import type { TableFacts } from '../../processors/store/table-move.ts'
import type { StepName } from '../../processors/store/table-steps.ts'
import { ConnectorError } from '../contract.ts'
import { retryOnLock } from './lock-retry.ts'
import { LOCK_TIMEOUT_MS } from './partition-turns.ts'
import { fillRollups } from './rollup-migrate.ts'
import type { Session } from './session.ts'
import { keyName, noteName, oldName, qualified } from './table-attach-sql.ts'
import { makeDays } from './table-days.ts'
import { noteDone } from './table-move-note.ts'
import type { Move } from './table-move-way.ts'

const UNIQUE_VIOLATION = '23505'

/** The steps after the swap, which both ways have. */
export async function afterSwap(session: Session, { facts, settings, daysAhead, nowMs }: Move, step: StepName): Promise<void> {
  const name = noteName(facts)
  if (step === 'days') await makeDays(session, qualified(facts, facts.name), nowMs(), daysAhead)
  if (step === 'analyze') {
    // Chunks of readings are analyzed by the server itself, as they fill.
    const table = settings.target === 'own' ? facts.name : settings.way === 'attach' ? oldName(facts) : undefined
    if (table !== undefined) await session.script('analyzing the table', `ANALYZE ${qualified(facts, table)}`)
  }
  if (step === 'rollups' && (await hasRollups(session))) await fillRollups(session)
  if (step !== 'days') await noteDone(session, name, step)
}

export async function hasRollups(session: Session): Promise<boolean> {
  const [found] = await session.query<{ there: boolean }>('looking for roll-ups', "SELECT to_regclass('rollup_shape') IS NOT NULL AS there")
  return found?.there === true
}

/** An index that a killed run was building is there, and not valid. */
export async function builtIndex(session: Session, facts: TableFacts): Promise<'absent' | 'invalid' | 'ready'> {
  const [index] = await session.query<{ valid: boolean }>(
    'looking for the index of the key',
    'SELECT indisvalid AS valid FROM pg_index WHERE indexrelid = to_regclass($1)',
    [qualified(facts, keyName(facts))],
  )
  return index === undefined ? 'absent' : index.valid ? 'ready' : 'invalid'
}

/** An index that is not valid is of a run that was cut off: it goes first. */
export async function buildConcurrently(session: Session, facts: TableFacts, statement: string): Promise<void> {
  const doing = `building index ${keyName(facts)}`
  await session.script(doing, `DROP INDEX CONCURRENTLY IF EXISTS ${qualified(facts, keyName(facts))}`)
  try {
    await session.script(doing, statement)
  } catch (error) {
    if (!(error instanceof ConnectorError && error.code === UNIQUE_VIOLATION)) throw error
    await session.script(doing, `DROP INDEX CONCURRENTLY IF EXISTS ${qualified(facts, keyName(facts))}`)
    throw new ConnectorError('duplicates', false, `${doing}: a key occurs twice; remove one of its rows and run again`, error)
  }
}

/** A transaction of statements that need a lock which writers wait for. */
export function locking(session: Session, doing: string, statements: readonly string[], begin = BEGIN): Promise<void> {
  return retryOnLock(session, async () => {
    await session.script(doing, begin)
    await session.commit(doing, statements.join(';\n'))
  })
}

const BEGIN = `BEGIN; SET LOCAL lock_timeout = ${LOCK_TIMEOUT_MS}`
