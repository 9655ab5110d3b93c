import { rmSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { decimal, whole } from '../../ops/figures.ts'
import { lagByGroup } from '../../ops/lag/lag-table.ts'
import { openLags } from '../../ops/lag/lags.ts'
import { table } from '../../ops/text-table.ts'
import { projectRoot } from '../../schemas/files.ts'
import { DEFAULT_PROCESSORS } from '../../services/config-shape.ts'
import { consumerGroups } from '../../services/consumer-groups.ts'
import { measureLatency, readLedger } from './ledgers.ts'
import type { Line } from './line.ts'
import { runLoad } from './load.ts'
import { WARM_UP_SECONDS } from './measure.ts'
import { FLOOR_RATE, type Profile } from './profile.ts'

export const SLOW_PROCESS = 'slow-movement'
/** The services of a line with the slow process. */
export const SLOW_PROCESSORS: readonly string[] = [...DEFAULT_PROCESSORS, join(projectRoot, 'test/bench', SLOW_PROCESS)]

/** One load, with the slow process or without. */
export interface SlowTurn {
  readonly slow: boolean
  readonly readingsPerSecond: number
  readonly p50Ms: number
  readonly p99Ms: number
  /** Records that the store was behind, the mean of the load's second half. */
  readonly storeLag: number
  /** Records that the slow process was behind at the end of the load. */
  readonly slowLag: number
}

const LOAD_SECONDS = 20
/** A machine that gets slower meanwhile does so for both. */
const TURNS = [false, true, true, false, false, true]
const LOOK_MS = 500

/**
 * Loads the line as usual with the slow process running and suspended (SIGSTOP), in turns. It is
 * behind from the first load on, so it is busy whenever it runs.
 */
export async function measureSlowProcess(line: Line, profile: Profile, say: (text: string) => void): Promise<readonly SlowTurn[]> {
  const groups = (await consumerGroups(line.config)).filter(({ group }) => group === 'store' || group === SLOW_PROCESS)
  await using lags = await openLags({ config: line.config, groups })
  const ledger = join(line.local, 'ledger.csv')
  const rate = Math.min(FLOOR_RATE, Math.round(profile.firstRate / 2))
  const lag = async (): Promise<ReadonlyMap<string, bigint | null>> => lagByGroup(await lags.read())
  let loads = 0

  async function turn(slow: boolean, seconds: number): Promise<SlowTurn> {
    const found: ReadonlyMap<string, bigint | null>[] = []
    const stop = new AbortController()
    const looking = (async () => {
      await delay((seconds * 1_000) / 2, undefined, { signal: stop.signal })
      for (const end = Date.now() + (seconds * 1_000) / 2 - LOOK_MS; Date.now() < end; ) {
        found.push(await lag())
        await delay(LOOK_MS, undefined, { signal: stop.signal })
      }
    })().catch((cause: unknown) => {
      if (!stop.signal.aborted) throw cause
    })
    const result = await runLoad(line, profile, rate, seconds, ledger)
    stop.abort()
    await looking
    await readLedger(line.session, ledger, ++loads)
    rmSync(ledger)
    const latency = await measureLatency(line.session, loads, result.beganMs + result.seconds * 1_000)
    return {
      slow,
      readingsPerSecond: (result.stored * profile.quantities * 1_000) / result.untilStoredMs,
      p50Ms: latency?.p50Ms ?? Number.NaN,
      p99Ms: latency?.p99Ms ?? Number.NaN,
      storeLag: found.reduce((sum, each) => sum + Number(each.get('store') ?? 0n) / found.length, 0),
      slowLag: Number(found.at(-1)?.get(SLOW_PROCESS) ?? 0n),
    }
  }

  const pid = (): number => {
    const found = line.pids().get(SLOW_PROCESS)
    if (found === undefined) throw new Error(`${SLOW_PROCESS} is not running`)
    return found
  }
  await turn(true, WARM_UP_SECONDS)
  const turns: SlowTurn[] = []
  for (const slow of TURNS) {
    const running = pid()
    if (!slow) process.kill(running, 'SIGSTOP')
    const done = await turn(slow, LOAD_SECONDS).finally(() => process.kill(running, 'SIGCONT'))
    turns.push(done)
    say(
      `${slow ? 'with' : 'without'} ${SLOW_PROCESS}: ${whole(done.readingsPerSecond)} readings/s, p50 ${decimal(done.p50Ms, 0)} ms, p99 ${decimal(done.p99Ms, 0)} ms, store ${whole(done.storeLag)} records behind`,
    )
  }
  return turns
}

const FIGURES: readonly (readonly [title: string, of: (turn: SlowTurn) => number])[] = [
  ['readings/s', ({ readingsPerSecond }) => readingsPerSecond],
  ['latency, median, ms', ({ p50Ms }) => p50Ms],
  ['latency, 99 %, ms', ({ p99Ms }) => p99Ms],
  ['store behind, records', ({ storeLag }) => storeLag],
  ['slow process behind, records', ({ slowLag }) => slowLag],
]

/** Lines for people. */
export function describeSlowProcess(profile: Profile, turns: readonly SlowTurn[]): readonly string[] {
  const mean = (slow: boolean, of: (turn: SlowTurn) => number): number =>
    turns.filter((turn) => turn.slow === slow).reduce((sum, turn, _, { length }) => sum + of(turn) / length, 0)
  const rows = FIGURES.map(([title, of]) => {
    const [without, slow] = [mean(false, of), mean(true, of)]
    return [title, decimal(without, 0), decimal(slow, 0), without === 0 ? '' : decimal(slow / without, 2)]
  })
  return [
    `profile ${profile.name}, ${SLOW_PROCESS} 100 ms slower for each device, means of ${turns.length / 2} loads of ${LOAD_SECONDS} s each:`,
    ...table([['', 'without', 'with', 'ratio'], ...rows], ['left', 'right', 'right', 'right']).map((text) => `  ${text}`),
  ]
}
