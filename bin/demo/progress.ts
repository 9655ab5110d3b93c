import { setTimeout as delay } from 'node:timers/promises'
import { whole } from '../../ops/figures.ts'
import type { SentFigures } from '../../ops/file/json-sender.ts'
import { lagByGroup } from '../../ops/lag/lag-table.ts'
import { createScreen } from '../../ops/status/screen.ts'
import { handledRows, type StatusSources, type StoredRows } from '../../ops/status/status.ts'

export interface Pace {
  readonly pollMs: number
  /** The line is drained if no group is behind and no row came for this long. */
  readonly quietMs: number
  /**
   * The line stands still if nothing at all has moved for this long. A killed service, broker or
   * database would be back by then.
   */
  readonly standstillMs: number
}

export const PACE: Pace = { pollMs: 500, quietMs: 2_000, standstillMs: 60_000 }
const LINE_EVERY_MS = 5_000

/** How waiting for the line ended. */
export type Drained = 'drained' | 'interrupted' | 'stands'

/** Watches a file on its way through the line. */
export interface Progress {
  /** Draws how far it is, and says whether every group has caught up. */
  look(): Promise<boolean>
  /** Waits until the line is drained, the signal came, or nothing moves any more. */
  drained(signal: AbortSignal): Promise<Drained>
  /** Whether nothing has moved for a minute. */
  stands(): boolean
  /** What stands still, in words. */
  why(): Promise<readonly string[]>
  end(): void
}

/**
 * @param lines to be sent
 * @param before what the store had counted before them
 */
export function createProgress(
  sources: Pick<StatusSources, 'services' | 'service' | 'stored' | 'lags'>,
  stats: () => SentFigures | undefined,
  lines: number,
  before: StoredRows | undefined,
  { pollMs, quietMs, standstillMs }: Pace = PACE,
): Progress {
  const screen = createScreen(process.stdout)
  let saidMs = Date.now()
  let movedMs = Date.now()
  let figures = ''
  let handled: number | undefined
  let behind: ReadonlyMap<string, bigint | null> | undefined

  function line(): string {
    return `${whole(stats()?.acked_samples)} of ${whole(lines)} lines sent, ${whole(handled)} through the store`
  }

  async function look(): Promise<boolean> {
    const [stored, lags] = await Promise.all([sources.stored(), sources.lags()])
    handled = stored === undefined || before === undefined ? undefined : handledRows(stored) - handledRows(before)
    behind = lags === undefined ? undefined : lagByGroup(lags)
    const now = JSON.stringify([stats()?.acked_samples, stats()?.connected, handled, ...(behind ?? [])].map(String))
    if (now !== figures) movedMs = Date.now()
    figures = now
    if (process.stdout.isTTY) screen.draw([`           ${line()}`])
    else if (Date.now() - saidMs >= LINE_EVERY_MS) {
      saidMs = Date.now()
      process.stdout.write(`${line()}\n`)
    }
    return lags?.every(({ lag }) => lag === 0n) ?? false
  }

  const stands = (): boolean => Date.now() - movedMs > standstillMs

  return {
    look,
    stands,
    async drained(signal) {
      for (let quiet = 0, last = handled; quiet < quietMs; quiet += pollMs) {
        await delay(pollMs)
        if (signal.aborted) return 'interrupted'
        if (!(await look()) || handled !== last) quiet = 0
        last = handled
        if (stands()) return 'stands'
      }
      return 'drained'
    },
    async why() {
      const reports = await Promise.all(
        sources.services.map(async ({ name }) => ({ name, problems: (await sources.service(name)).problems })),
      )
      const { devices = 0, connected = 0, refused = 0, acked_samples: acked = 0 } = stats() ?? {}
      return [
        `nothing has moved for ${Math.round(standstillMs / 1000)} s: ${line()}`,
        ...(acked < lines && connected < devices ? [`${whole(connected)} of ${whole(devices)} devices are connected to the broker`] : []),
        ...(acked < lines && refused > 0
          ? [`the broker refused frames ${whole(refused)} times: nobody subscribes while the bridge is away`]
          : []),
        ...(behind === undefined ? ['Kafka does not say how far the consumer groups are'] : []),
        ...[...(behind ?? [])].flatMap(([group, lag]) => {
          if (lag === null) return [`Kafka's log ends before what ${group} has read`]
          return lag > 0n ? [`${group} is ${whole(lag)} records behind`] : []
        }),
        ...(handled === undefined ? ['the telemetry database does not say what is stored'] : []),
        ...reports.flatMap(({ name, problems }) => {
          if (problems === undefined) return [`${name} does not answer`]
          return [...problems].map(([part, problem]) => `${name}: ${part}: ${problem}`)
        }),
      ]
    },
    end: () => screen.leave(),
  }
}
