import { setTimeout as delay } from 'node:timers/promises'
import { whole } from '../../ops/figures.ts'
import type { FleetStats } from '../../ops/fleet/fleet-stats.ts'
import { handledRows, type StatusSources, type StoredRows } from '../../ops/status/status.ts'

/** How a run ended: its exit code, and the lines to print once everything has stopped. */
export interface DemoEnd {
  readonly code: number
  readonly lastWords: readonly string[]
}

/**
 * How long to wait for what is on its way when the devices stop. That is a second's worth; a
 * service that was just killed needs longer.
 */
const DRAIN_MS = 5_000
const POLL_MS = 100

/**
 * Waits, for some seconds at most, until what the devices sent is in the table. Kafka keeps the
 * rest.
 */
export async function awaitStored(
  sources: StatusSources,
  before: StoredRows | undefined,
  sent: FleetStats | undefined,
): Promise<StoredRows | undefined> {
  const deadline = Date.now() + DRAIN_MS
  for (;;) {
    const now = await sources.stored()
    if (before === undefined || sent === undefined) return now
    if (now !== undefined && handledRows(now) - handledRows(before) >= sent.acked_samples) return now
    if (Date.now() >= deadline) return now
    await delay(POLL_MS)
  }
}

/** The last line of a run. */
export function totals(sent: FleetStats | undefined, before: StoredRows | undefined, after: StoredRows | undefined): string {
  const figures = `${whole(sent?.readings)} readings in ${whole(sent?.acked_samples)} samples and ${whole(sent?.acked)} frames sent`
  if (before === undefined || after === undefined) return `${figures}, ? rows stored`
  const rows = after.rows - before.rows
  const waiting = sent === undefined ? 0 : Math.max(0, sent.acked_samples - (handledRows(after) - handledRows(before)))
  return [figures, `${whole(rows)} rows stored`, ...(waiting > 0 ? [`${whole(waiting)} wait in Kafka or are dead letters`] : [])].join(', ')
}
