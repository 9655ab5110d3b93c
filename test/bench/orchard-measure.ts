import { availableParallelism } from 'node:os'
import { setTimeout as delay } from 'node:timers/promises'
import { decimal, whole } from '../../ops/figures.ts'
import { lagByGroup } from '../../ops/lag/lag-table.ts'
import { type Lags, openLags } from '../../ops/lag/lags.ts'
import { table } from '../../ops/text-table.ts'
import { fleetAccess } from '../../services/fleet-access.ts'
import type { Line } from './line.ts'
import { createMeter } from './meter.ts'
import { DAILY_SAMPLES, type Orchard, OrchardLoad, type Published } from './orchard.ts'

export const ORCHARD: Orchard = { devices: 100_000 }
/** All processes at once. */
export const ORCHARD_PROCESSORS = ['standardise', 'translate', 'devices', 'contact', 'movement', 'alerts', 'continuity'] as const

const USUAL_RATE = DAILY_SAMPLES / 86_400
const TIMES_FASTER = 20
/** More than the line gets through. */
const BURST_RATE = 20_000
const BURST_SECONDS = 15
const LOOK_MS = 250
/** A group that gets nowhere for so long will not. */
const STANDSTILL_MS = 120_000

/** What a load at one rate cost. */
export interface OrchardTurn {
  /** Samples a second, as they were acknowledged. */
  readonly rate: number
  readonly seconds: number
  /** Cores by name of the process. */
  readonly cores: ReadonlyMap<string, number>
  /** Records that each group was behind at the end of the load. */
  readonly lags: ReadonlyMap<string, number>
  /** From the publication to the commit of the row; undefined if no commit timestamp was found. */
  readonly latency: { readonly p50Ms: number; readonly p99Ms: number } | undefined
}

export interface OrchardFindings {
  readonly turns: readonly OrchardTurn[]
  /** Samples a second that each group got through when all had more to do than they could. */
  readonly highest: ReadonlyMap<string, number>
}

/** Loads a line with all processes: a day's rate, twenty times that, and as much as goes. */
export async function measureOrchard(line: Line, seconds: number, say: (text: string) => void): Promise<OrchardFindings> {
  await using lags = await openLags({ config: line.config })
  await using load = await OrchardLoad.open(fleetAccess(line.config.env), ORCHARD)
  // Code is compiled and caches fill once.
  await load.publish(USUAL_RATE, 5)
  await caughtUp(lags)
  const turns: OrchardTurn[] = []
  for (const rate of [USUAL_RATE, USUAL_RATE * TIMES_FASTER]) {
    const turn = await loaded(line, lags, load, rate, seconds)
    turns.push(turn)
    say(`${whole(turn.rate)} samples/s: ${decimal(total(turn), 2)} cores (${describeCores(turn)}), ${describeLags(turn.lags)} at the end`)
  }
  const began = performance.now()
  const before = load.count
  await load.publish(BURST_RATE, BURST_SECONDS)
  const samples = load.count - before
  say(`a burst of ${whole(samples)} samples is published after ${decimal((performance.now() - began) / 1_000, 0)} s`)
  const times = await caughtUp(lags)
  const highest = new Map([...times].map(([group, at]) => [group, (samples * 1_000) / (at - began)]))
  return { turns, highest }
}

async function loaded(line: Line, lags: Lags, load: OrchardLoad, rate: number, seconds: number): Promise<OrchardTurn> {
  const meter = createMeter(() => line.pids())
  const [before, began] = [load.count, performance.now()]
  const published = await load.publish(rate, seconds)
  const took = (performance.now() - began) / 1_000
  const use = meter.finish()
  const behind = new Map([...lagByGroup(await lags.read())].map(([group, lag]) => [group, Number(lag ?? 0n)]))
  await caughtUp(lags)
  return {
    rate: (load.count - before) / took,
    seconds: took,
    cores: new Map([...use].map(([name, { cpuSeconds }]) => [name, cpuSeconds / took])),
    lags: behind,
    latency: await latencyOf(line, published),
  }
}

/** Waits until no group is behind. Returns when each was first, by `performance.now()`. */
async function caughtUp(lags: Lags): Promise<ReadonlyMap<string, number>> {
  const done = new Map<string, number>()
  let [least, changedMs] = [Number.POSITIVE_INFINITY, performance.now()]
  for (;;) {
    const now = lagByGroup(await lags.read())
    let sum = 0
    for (const [group, lag] of now) {
      sum += Number(lag ?? 0n)
      if (lag === 0n && !done.has(group)) done.set(group, performance.now())
      // Its topic was empty for a moment: what comes before it is still at work.
      else if (lag !== 0n) done.delete(group)
    }
    if (sum === 0 && done.size === now.size) return done
    if (sum < least) [least, changedMs] = [sum, performance.now()]
    if (performance.now() - changedMs > STANDSTILL_MS)
      throw new Error(`${describeLags(new Map([...now].map(([group, lag]) => [group, Number(lag)])))}, and it gets no better`)
    await delay(LOOK_MS)
  }
}

async function latencyOf({ session }: Line, published: readonly Published[]): Promise<OrchardTurn['latency']> {
  const [found] = await session.query<{ p: readonly number[] | null }>(
    'measuring the latency',
    `SELECT percentile_cont(ARRAY[0.5, 0.99]) WITHIN GROUP (ORDER BY extract(epoch FROM pg_xact_commit_timestamp(r.xmin))::double precision * 1000 - g.at_ms) AS p
     FROM unnest($1::text[], $2::bigint[], $3::bigint[]) AS g (device, ts_ms, at_ms)
       JOIN readings r ON r.device_id = g.device AND r.ts = 'epoch'::timestamptz + g.ts_ms * interval '1 ms'`,
    [published.map(({ device }) => device), published.map(({ tsMs }) => tsMs), published.map(({ atMs }) => atMs)],
  )
  const [p50Ms, p99Ms] = found?.p ?? []
  return p50Ms === undefined || p99Ms === undefined ? undefined : { p50Ms, p99Ms }
}

function total({ cores }: OrchardTurn): number {
  return [...cores.values()].reduce((sum, each) => sum + each, 0)
}

function describeCores({ cores }: OrchardTurn): string {
  const most = [...cores].toSorted(([, a], [, b]) => b - a)
  return most.map(([name, each]) => `${name} ${decimal(each, 2)}`).join(', ')
}

function describeLags(lags: ReadonlyMap<string, number>): string {
  const behind = [...lags].filter(([, lag]) => lag > 0).map(([group, lag]) => `${group} ${whole(lag)}`)
  return behind.length === 0 ? 'nobody behind' : `records behind: ${behind.join(', ')}`
}

/** Lines for people. */
export function describeOrchard({ turns, highest }: OrchardFindings): readonly string[] {
  const names = [...new Set(turns.flatMap(({ cores }) => [...cores.keys()]))]
  const width = availableParallelism()
  const row = (title: string, of: (turn: OrchardTurn) => string): readonly string[] => [title, ...turns.map(of)]
  const slowest = [...highest].toSorted(([, a], [, b]) => a - b)
  const [name, rate] = slowest[0] ?? ['nobody', Number.NaN]
  return [
    `${whole(ORCHARD.devices)} devices, all processes, ${width} cores, the load's own CPU (bench) included:`,
    ...table(
      [
        row('', (turn) => `${whole(turn.rate)} samples/s`),
        ...names.map((each) => row(`cores: ${each}`, ({ cores }) => decimal(cores.get(each) ?? 0, 3))),
        row('cores: all', (turn) => decimal(total(turn), 2)),
        row('to spare', (turn) => `${decimal(100 * (1 - total(turn) / width), 0)} %`),
        row('latency, median, ms', ({ latency }) => (latency === undefined ? 'none' : decimal(latency.p50Ms, 0))),
        row('latency, 99 %, ms', ({ latency }) => (latency === undefined ? 'none' : decimal(latency.p99Ms, 0))),
        ...[...highest.keys()].map((group) => row(`behind at the end: ${group}`, ({ lags }) => whole(lags.get(group) ?? 0))),
      ],
      ['left', ...turns.map(() => 'right' as const)],
    ).map((text) => `  ${text}`),
    '',
    'a burst, samples/s that each got through until it had caught up:',
    ...table(
      slowest.map(([group, each]) => [group, whole(each)]),
      ['left', 'right'],
    ).map((text) => `  ${text}`),
    `a day's ${whole(DAILY_SAMPLES)} samples would be caught up in ${decimal(DAILY_SAMPLES / rate / 60, 0)} minutes (${name})`,
  ]
}
