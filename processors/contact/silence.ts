import type { Transaction } from '../process.ts'

/** A device that has nothing of its own is silent after an hour. */
const USUALLY_SECONDS = 3_600

/**
 * Devices that are silent become rows of `device_silence`; those that were heard since leave it. A
 * device is silent if neither readings nor a status came for its time (`silent_after_seconds`)
 * while the line listened. One that was never heard is not silent, nor is one that is lost already.
 * @param behindSeconds all that the bridge received until so many seconds ago has been handled;
 *   undefined if the line does not listen
 */
export async function findSilent(tx: Pick<Transaction, 'query'>, process: string, behindSeconds: number | undefined): Promise<void> {
  await tx.query(
    `DELETE FROM device_silence q USING device_states v WHERE v.device_id = q.device_id AND (v.last_contact > q.heard_at OR v.state = 'lost')`,
  )
  if (behindSeconds === undefined) return
  await tx.query(
    `INSERT INTO device_silence (device_id, heard_at, silent_at)
     SELECT v.device_id, v.last_contact, t.silent_at
     FROM device_states v JOIN devices d ON d.id = v.device_id JOIN process_listening l ON l.process = $1
       CROSS JOIN LATERAL (
         SELECT greatest(v.last_contact, l.since) + coalesce(d.silent_after_seconds, ${USUALLY_SECONDS}) * interval '1 second' AS silent_at
       ) t
     WHERE v.state NOT IN ('lost', 'silent') AND t.silent_at <= now() - $2::double precision * interval '1 second'
     ON CONFLICT (device_id) DO UPDATE SET heard_at = excluded.heard_at, silent_at = excluded.silent_at`,
    [process, behindSeconds],
  )
}
