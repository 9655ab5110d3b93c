import type { DeviceId } from '../contract.ts'
import { noteListening } from '../listening-since.ts'
import { type AlertTransaction, closeAlerts, openAlert } from './writing.ts'

interface SilentRow extends Record<string, unknown> {
  readonly rule_id: bigint
  readonly site_id: bigint | null
  readonly device_id: string
  readonly heard: bigint
  readonly silent: bigint
}

/** Alerts that are opened at once at most: the rest a moment later. */
const MOST_AT_ONCE = 500

/**
 * That the device is now of the rule's account, and the rule is about it. `a` has the device, `r`
 * is the rule.
 */
const WATCHED = `EXISTS (
  SELECT FROM assignments w WHERE w.device_id = a.device_id AND w.account_id = r.account_id AND w.valid @> now()
    AND (r.devices IS NULL OR w.device_id = ANY(r.devices)) AND (r.sites IS NULL OR w.site_id = ANY(r.sites))
)`

/**
 * Closes open alerts of rules that are off, and of devices that the rule is no longer about. What a
 * rule that is off remembers is forgotten.
 */
export async function closeNoLongerWatched(tx: AlertTransaction): Promise<void> {
  await closeAlerts(tx, 'rule_off', 'NOT r.enabled')
  await closeAlerts(tx, 'not_watched', `r.enabled AND NOT ${WATCHED}`)
  await tx.query('DELETE FROM alert_state s USING alert_rules r WHERE r.id = s.rule_id AND NOT r.enabled')
}

/**
 * Opens alerts of devices that have been silent for long enough, while the line was listening.
 * @param behindSeconds all that the bridge received until so many seconds ago has been handled;
 *   Infinity if the line does not listen, undefined if it is not known yet
 */
export async function openSilent(tx: AlertTransaction, behindSeconds: number | undefined): Promise<void> {
  if (!(await noteListening(tx, 'alerts', behindSeconds)) || behindSeconds === undefined) return
  // A device that is being handled at this moment is skipped: it is not silent.
  const rows = await tx.query<SilentRow>(
    `SELECT r.id AS rule_id, w.site_id, d.device_id, (extract(epoch FROM d.heard_at) * 1000000)::bigint AS heard,
       (extract(epoch FROM greatest(d.heard_at, l.since) + r.for_seconds * interval '1 second') * 1000000)::bigint AS silent
     FROM process_listening l, alert_rules r
       JOIN assignments w ON w.account_id = r.account_id AND w.valid @> now()
       JOIN alert_device d ON d.device_id = w.device_id
     WHERE l.process = 'alerts' AND r.enabled AND r.kind = 'silence' AND (r.devices IS NULL OR w.device_id = ANY(r.devices))
       AND (r.sites IS NULL OR w.site_id = ANY(r.sites)) AND greatest(d.heard_at, l.since) + r.for_seconds * interval '1 second' <= now() - $1::double precision * interval '1 second'
       AND NOT EXISTS (SELECT FROM alerts a WHERE a.rule_id = r.id AND a.device_id = d.device_id AND a.channel = '' AND a.closed_at IS NULL)
     ORDER BY d.device_id, r.id LIMIT ${MOST_AT_ONCE} FOR UPDATE OF d SKIP LOCKED`,
    [behindSeconds],
  )
  for (const { rule_id: ruleId, site_id: siteId, device_id: device, heard, silent } of rows)
    await openAlert(tx, { ruleId, siteId, device: device as DeviceId, channel: '', began: heard, at: silent, value: null })
}
