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

/** Something that the line can do without. */
export interface Optional {
  readonly name: string
  /** Runs a load with it, or without. */
  turn<Result>(running: boolean, load: () => Promise<Result>): Promise<Result>
}

/** A processor, which is suspended (SIGSTOP) meanwhile. */
export function optionalProcessor(line: Line, name: string): Optional {
  return {
    name,
    async turn(running, load) {
      const pid = line.pids().get(name)
      if (pid === undefined) throw new Error(`${name} is not running`)
      await caughtUp(line, name)
      if (!running) process.kill(pid, 'SIGSTOP')
      return await load().finally(() => process.kill(pid, 'SIGCONT'))
    },
  }
}

/**
 * Roll-ups: the store is started anew with them and without. What one turn has left to the job, it
 * does in the next turn that has them.
 */
export function optionalRollups(line: Line): Optional {
  return {
    name: 'rollups',
    async turn(running, load) {
      await line.restart('store', `store: { rollups: ${running ? 'kept' : 'none'} }\n`)
      await caughtUp(line, 'store')
      return await load()
    },
  }
}

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
 * Overloads the line with the processor, or whatever it is, and without, in turns on one line and
 * within minutes: two runs of the whole bench differ by more than a processor costs.
 */
export async function measureCost(line: Line, profile: Profile, optional: Optional, say: (text: string) => void): Promise<Cost> {
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
    const { throughput } = await optional.turn(running, () => load(rate, LOAD_SECONDS))
    turns.push({ running, throughput })
    say(`${running ? 'with' : 'without'} ${optional.name}: ${whole(throughput)} readings/s`)
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
