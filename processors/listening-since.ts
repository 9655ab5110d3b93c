import type { Transaction } from './process.ts'

/**
 * Notes, every so often, whether a process hears all that the bridge receives, and since when: in
 * table `process_listening`, row `process`. Silence counts only while it does: from when something
 * was last heard, or from `since` if that is later. So neither an outage, nor a replay, nor
 * catching up makes anybody silent.
 * @param behindSeconds all that the bridge received until so many seconds ago has been handled;
 *   Infinity if the line does not listen, undefined if it is not known yet
 * @returns whether it listens: only then may silence be looked for
 */
export async function noteListening(tx: Pick<Transaction, 'query'>, process: string, behindSeconds: number | undefined): Promise<boolean> {
  if (behindSeconds === undefined) return false
  const listening = Number.isFinite(behindSeconds)
  // If nobody looked for a while, nobody knows whether the line was listening.
  await tx.query(
    `INSERT INTO process_listening AS l (process, since, checked_at) VALUES ($1, now(), now())
     ON CONFLICT (process) DO UPDATE
     SET since = CASE WHEN $2 AND l.checked_at > now() - interval '2 minutes' THEN l.since ELSE now() END, checked_at = now()`,
    [process, listening],
  )
  return listening
}
