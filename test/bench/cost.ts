import { rmSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { decimal, whole } from '../../ops/figures.ts'
import { openLags } from '../../ops/lag/lags.ts'
import { consumerGroups } from '../../services/consumer-groups.ts'
import { judge } from './backlog.ts'
import type { Line } from './line.ts'
import { runLoad } from './load.ts'
import { PROBE_TOLERANCE, WARM_UP_SECONDS } from './measure.ts'
import type { Profile } from './profile.ts'

/**
 * What a processor takes from the line: readings a second that an overloaded line gets through, the
 * mean of some loads each.
 */
export interface Cost {
  readonly running: number
  readonly stopped: number
}

const LOAD_SECONDS = 14
const PROBE_SECONDS = 9
/** From a load that the line bears to the next. */
const UP = 1.3
/**
 * With the processor and without, then without and with: a machine that gets slower meanwhile does
 * so for both.
 */
const TURNS = [true, false, false, true, true, false, false, true]
const CAUGHT_UP_MS = 60_000
/** Records that a processor may be behind: it commits now and then only. */
const BEHIND = 1_000

/**
 * Overloads the line with the processor running and suspended (SIGSTOP), in turns on one line and
 * within minutes: two runs of the whole bench differ by more than a processor costs.
 */
export async function measureCost(line: Line, profile: Profile, processor: string, say: (text: string) => void): Promise<Cost> {
  const ledger = join(line.local, 'ledger.csv')
  const load = async (rate: number, seconds: number): Promise<{ readonly throughput: number; readonly sustained: boolean }> => {
    const result = await runLoad(line, profile, rate, seconds, ledger)
    rmSync(ledger)
    const { sustained } = judge(result.points, rate / profile.quantities, PROBE_TOLERANCE)
    return { throughput: (result.stored * profile.quantities * 1_000) / result.untilStoredMs, sustained }
  }

  await load(profile.firstRate / 2, WARM_UP_SECONDS)
  let rate = profile.firstRate
  while ((await load(rate, PROBE_SECONDS)).sustained) rate *= UP
  say(`an overload: ${whole(rate)} readings/s`)

  const turns: { readonly running: boolean; readonly throughput: number }[] = []
  for (const running of TURNS) {
    const pid = line.pids().get(processor)
    if (pid === undefined) throw new Error(`${processor} is not running`)
    await caughtUp(line, processor)
    if (!running) process.kill(pid, 'SIGSTOP')
    const { throughput } = await load(rate, LOAD_SECONDS).finally(() => process.kill(pid, 'SIGCONT'))
    turns.push({ running, throughput })
    say(`${running ? 'with' : 'without'} ${processor}: ${whole(throughput)} readings/s`)
  }
  const mean = (wanted: boolean): number =>
    turns.filter(({ running }) => running === wanted).reduce((sum, { throughput }, _, { length }) => sum + throughput / length, 0)
  return { running: mean(true), stopped: mean(false) }
}

/** One line for people. */
export function describeCost(profile: Profile, processor: string, { running, stopped }: Cost): string {
  const slower = 100 * (1 - running / stopped)
  return (
    `profile ${profile.name}: an overloaded line gets through ${whole(running)} readings/s with ${processor} and ${whole(stopped)} without: ` +
    `${decimal(Math.abs(slower), 1)} % ${slower >= 0 ? 'slower' : 'faster'} with it`
  )
}

async function caughtUp({ config }: Line, processor: string): Promise<void> {
  const groups = (await consumerGroups(config)).filter(({ group }) => group === processor)
  await using lags = await openLags({ config, groups })
  for (const deadline = Date.now() + CAUGHT_UP_MS; ; await delay(500)) {
    const behind = (await lags.read()).reduce((sum, { lag }) => sum + Number(lag), 0)
    if (behind <= BEHIND) return
    if (Date.now() > deadline) throw new Error(`${processor} is ${whole(behind)} records behind after ${CAUGHT_UP_MS / 1_000} s`)
  }
}
