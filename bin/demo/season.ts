import { join } from 'node:path'
import { createDatabase } from '../../connectors/postgres/database.ts'
import type { FleetStats } from '../../ops/fleet/fleet-stats.ts'
import { awaitHandled, type RunningSeason, SEASON_SERVICES, startSeason } from '../../ops/fleet/season/run.ts'
import { tellStory } from '../../ops/fleet/season/story.ts'
import type { StatusSources } from '../../ops/status/status.ts'
import type { Config } from '../../services/config.ts'
import { fleetAccess } from '../../services/fleet-access.ts'
import { bootFile, FLEET_PROGRAM } from './fleets.ts'

/** Business processes that the demonstration runs beside what is configured, for the season. */
export const DEMO_PROCESSES: readonly string[] = ['movement', 'alerts']
export const SEASON_HIVES = 48
const SEASON_SECONDS = 75
const ACCOUNT = 'Demo beekeeper'
const PREFIX = 'migration'
/** How long the processes may take for what was under way when the devices stopped. */
const HANDLED_MS = 20_000

/** The season that `make run` drives beside its other fleets. */
export interface DemoSeason extends AsyncDisposable {
  /** Where to look: name of the account. */
  readonly account: string
  readonly progress: () => string
  readonly over: boolean
  readonly stats: () => FleetStats | undefined
  /** Sends no more. */
  stop(): Promise<void>
  /** What Millrace saw of what was sent. */
  story(sources: Pick<StatusSources, 'lags'>): Promise<readonly string[]>
}

/**
 * Starts a season of its own.
 * @param ended called once, with what is to be said, when all is sent or the fleet has failed
 */
export async function startDemoSeason({ env }: Config, local: string, seed: number, ended: (words: string) => void): Promise<DemoSeason> {
  const database = createDatabase({ url: env.APP_DATABASE_URL, applicationName: 'millrace demo' })
  const logFile = join(local, 'log', `fleet-${PREFIX}.log`)
  const running = await startSeason({
    database,
    account: ACCOUNT,
    prefix: PREFIX,
    hives: SEASON_HIVES,
    seed,
    seconds: SEASON_SECONDS,
    fleet: { program: FLEET_PROGRAM, broker: fleetAccess(env), bootFile: bootFile(local, PREFIX), logFile },
  })
  let over = false
  let stopped = false
  void running.fleet.ended.then((how) => {
    over = true
    if (how !== 0) ended(`fleet ${PREFIX} ended (${how}): see ${logFile}`)
    else if (!stopped) ended('season over: Ctrl-C ends it, and tells what was seen of it')
  })
  let acknowledged = true
  return {
    account: running.account,
    progress: () => (over ? 'over' : running.progress()),
    get over() {
      return over
    },
    stats: () => {
      const stats = running.fleet.stats()
      // Its devices have said farewell.
      return stats === undefined || !over ? stats : { ...stats, connected: 0 }
    },
    async stop() {
      stopped = true
      acknowledged = await running.stop()
    },
    story: (sources) => story(running, acknowledged, sources),
    async [Symbol.asyncDispose]() {
      stopped = true
      await running[Symbol.asyncDispose]()
      await database[Symbol.asyncDispose]()
    },
  }
}

async function story(running: RunningSeason, acknowledged: boolean, { lags }: Pick<StatusSources, 'lags'>): Promise<readonly string[]> {
  if (!acknowledged) return ['the season is not compared: not all of it was acknowledged']
  if (!(await awaitHandled(lags, SEASON_SERVICES, HANDLED_MS)))
    return [`the season is not compared: ${SEASON_SERVICES.join(', ')} have not handled all of it within ${HANDLED_MS / 1000} s`]
  const { compared, untilMinute } = await running.compare()
  return tellStory(running.season, compared, untilMinute)
}
