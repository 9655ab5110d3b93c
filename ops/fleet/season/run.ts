import { setTimeout as delay } from 'node:timers/promises'
import type { BrokerAccess } from '../../../connectors/mqtt/dial.ts'
import type { Database } from '../../../connectors/postgres/database.ts'
import { type GroupPartitionLag, lagByGroup } from '../../lag/lag-table.ts'
import { type FleetProcess, startFleet } from '../fleet-process.ts'
import { type Comparison, compareSeason } from './compare.ts'
import { feedSeason } from './feed.ts'
import { planSeason } from './plan.ts'
import { seasonSamples } from './samples.ts'
import { DAY, type Season, seasonStart } from './season.ts'
import { nextSeason, provisionSeason, readSeason } from './season-account.ts'

export interface SeasonRun {
  /** The app database. */
  readonly database: Database
  /** Name of the account; a number is added. */
  readonly account: string
  /** Of the device IDs; the same number is added. */
  readonly prefix: string
  readonly hives: number
  readonly seed: number
  /** How long the season takes. */
  readonly seconds: number
  readonly fleet: { readonly program: string; readonly broker: BrokerAccess; readonly bootFile: string; readonly logFile: string }
}

export interface RunningSeason extends AsyncDisposable {
  readonly season: Season
  readonly account: string
  readonly fleet: FleetProcess
  /** As in "day 3 of 12". */
  progress(): string
  /**
   * Sends no more than what was handed on, and waits until that is acknowledged, for some seconds.
   * Does nothing if the season is over.
   * @returns whether all of it was acknowledged
   */
  stop(): Promise<boolean>
  /** What Millrace has seen, against what was sent: once it has handled that (`awaitHandled`). */
  compare(): Promise<{ readonly compared: Comparison; readonly untilMinute: number }>
}

/** Services that must have handled the season before it is compared. */
export const SEASON_SERVICES: readonly string[] = ['standardise', 'movement', 'alerts']
const ACKNOWLEDGED_MS = 10_000
const POLL_MS = 250

/** Provisions a season that ends now, and sends it as the tags of its hives would. */
export async function startSeason({
  database,
  account: name,
  prefix,
  hives,
  seed,
  seconds,
  fleet: paths,
}: SeasonRun): Promise<RunningSeason> {
  const number = await nextSeason(database, name)
  const account = `${name} ${number}`
  const startMs = seasonStart(Date.now())
  const endMinute = Math.floor((Date.now() - startMs) / 60_000)
  const season = planSeason({ seed, startMs, endMinute, hives, prefix: `${prefix}-${number}` })
  await provisionSeason(database, account, season)
  const stopping = new AbortController()
  const feed = feedSeason(season, seasonSamples(season), seconds, stopping.signal)
  const fleet = startFleet({
    program: paths.program,
    broker: paths.broker,
    args: ['--csv', '--firmware', 'hive-3', '--boot-file', paths.bootFile],
    input: feed.lines,
    logFile: paths.logFile,
  })
  return {
    season,
    account,
    fleet,
    progress: () => `day ${Math.floor(feed.reached() / DAY) + 1} of ${Math.floor(endMinute / DAY) + 1}`,
    async stop() {
      stopping.abort()
      return (await Promise.race([fleet.ended, delay(ACKNOWLEDGED_MS, undefined, { ref: false })])) === 0
    },
    async compare() {
      const untilMinute = feed.reached()
      return { compared: compareSeason(season, await readSeason(database, account), untilMinute), untilMinute }
    },
    async [Symbol.asyncDispose]() {
      stopping.abort()
      await fleet[Symbol.asyncDispose]()
    },
  }
}

/** Waits until the groups have read all there is. False if they have not within the time. */
export async function awaitHandled(
  lags: () => Promise<readonly GroupPartitionLag[] | undefined>,
  groups: readonly string[],
  withinMs: number,
): Promise<boolean> {
  for (const deadline = Date.now() + withinMs; ; await delay(POLL_MS)) {
    const known = await lags()
    const behind = known === undefined ? undefined : lagByGroup(known)
    if (behind !== undefined && groups.every((group) => behind.get(group) === 0n)) return true
    if (Date.now() >= deadline) return false
  }
}
