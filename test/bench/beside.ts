import { rmSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { decimal, whole } from '../../ops/figures.ts'
import { lagByGroup } from '../../ops/lag/lag-table.ts'
import { openLags } from '../../ops/lag/lags.ts'
import { table } from '../../ops/text-table.ts'
import { consumerGroups } from '../../services/consumer-groups.ts'
import { measureLatency, readLedger } from './ledgers.ts'
import type { Line } from './line.ts'
import { runLoad } from './load.ts'
import { WARM_UP_SECONDS } from './measure.ts'
import { ofProcess } from './processes.ts'
import { FLOOR_RATE, type Profile } from './profile.ts'

/** Something that may run beside the line. It does not when it is handed over. */
export interface Beside {
  readonly name: string
  /** What it is, for people. */
  readonly says: string
  /** Its consumer group, if it has one whose lag is of interest. */
  readonly group?: string
  /** Runs it until what comes of it is disposed of. */
  start(): Promise<Running>
}

export interface Running extends AsyncDisposable {
  /** Of the process whose CPU is of interest, if there is one. */
  readonly pid?: number | undefined
}

/** One load, with something beside the line or without. */
export interface Turn {
  readonly beside: boolean
  readonly readingsPerSecond: number
  readonly p50Ms: number
  readonly p99Ms: number
  /** Records that the store was behind, the mean of the load's second half. */
  readonly storeLag: number
  /** Records that its own group was behind at the end of the load. */
  readonly ownLag: number
  /** Cores that its own process took. */
  readonly ownCores: number
}

const LOAD_SECONDS = 20
/** A machine that gets slower meanwhile does so for both. */
const TURNS = [false, true, true, false, false, true]
const LOOK_MS = 500

/** Loads the line as usual, with something beside it and without, in turns. */
export async function measureBeside(line: Line, profile: Profile, beside: Beside, say: (text: string) => void): Promise<readonly Turn[]> {
  const groups = (await consumerGroups(line.config)).filter(({ group }) => group === 'store' || group === beside.group)
  await using lags = await openLags({ config: line.config, groups })
  const ledger = join(line.local, 'ledger.csv')
  const rate = Math.min(FLOOR_RATE, Math.round(profile.firstRate / 2))
  const lag = async (): Promise<ReadonlyMap<string, bigint | null>> => lagByGroup(await lags.read())
  let loads = 0

  async function turn(running: Running | undefined, seconds: number): Promise<Turn> {
    const cpuSeconds = (): number => (running?.pid === undefined ? 0 : (ofProcess(running.pid)?.cpuSeconds ?? Number.NaN))
    const [cpuBefore, beganAt] = [cpuSeconds(), performance.now()]
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
    const ownCores = ((cpuSeconds() - cpuBefore) * 1_000) / (performance.now() - beganAt)
    stop.abort()
    await looking
    await readLedger(line.session, ledger, ++loads)
    rmSync(ledger)
    const latency = await measureLatency(line.session, loads, result.beganMs + result.seconds * 1_000)
    return {
      beside: running !== undefined,
      readingsPerSecond: (result.stored * profile.quantities * 1_000) / result.untilStoredMs,
      p50Ms: latency?.p50Ms ?? Number.NaN,
      p99Ms: latency?.p99Ms ?? Number.NaN,
      storeLag: found.reduce((sum, each) => sum + Number(each.get('store') ?? 0n) / found.length, 0),
      ownLag: Number(found.at(-1)?.get(beside.group ?? '') ?? 0n),
      ownCores,
    }
  }

  await turn(undefined, WARM_UP_SECONDS)
  const turns: Turn[] = []
  for (const running of TURNS) {
    await using besides = running ? await beside.start() : undefined
    const done = await turn(besides, LOAD_SECONDS)
    turns.push(done)
    say(
      `${running ? 'with' : 'without'} ${beside.name}: ${whole(done.readingsPerSecond)} readings/s, p50 ${decimal(done.p50Ms, 0)} ms, p99 ${decimal(done.p99Ms, 0)} ms, store ${whole(done.storeLag)} records behind${done.ownCores > 0 ? `, ${decimal(done.ownCores, 2)} cores of its own` : ''}`,
    )
  }
  return turns
}

const FIGURES: readonly (readonly [title: string, of: (turn: Turn) => number])[] = [
  ['readings/s', ({ readingsPerSecond }) => readingsPerSecond],
  ['latency, median, ms', ({ p50Ms }) => p50Ms],
  ['latency, 99 %, ms', ({ p99Ms }) => p99Ms],
  ['store behind, records', ({ storeLag }) => storeLag],
  ['itself behind, records', ({ ownLag }) => ownLag],
]

/** Lines for people. */
export function describeBeside(profile: Profile, { says, group }: Beside, turns: readonly Turn[]): readonly string[] {
  const mean = (running: boolean, of: (turn: Turn) => number): number =>
    turns.filter((turn) => turn.beside === running).reduce((sum, turn, _, { length }) => sum + of(turn) / length, 0)
  const rows = FIGURES.slice(0, group === undefined ? -1 : undefined).map(([title, of]) => {
    const [without, beside] = [mean(false, of), mean(true, of)]
    return [title, decimal(without, 0), decimal(beside, 0), without === 0 ? '' : decimal(beside / without, 2)]
  })
  return [
    `profile ${profile.name}, ${says}, means of ${turns.length / 2} loads of ${LOAD_SECONDS} s each:`,
    ...table([['', 'without', 'with', 'ratio'], ...rows], ['left', 'right', 'right', 'right']).map((text) => `  ${text}`),
  ]
}
