import { rmSync } from 'node:fs'
import { join } from 'node:path'
import { decimal, whole } from '../../ops/figures.ts'
import { type Judgement, judge } from './backlog.ts'
import { measureCopy } from './copy-limit.ts'
import { checkExactness, measureLatency, readLedger } from './ledgers.ts'
import type { Line } from './line.ts'
import { type LoadResult, runLoad } from './load.ts'
import { FLOOR_RATE, type Profile } from './profile.ts'
import { nextStep, type Trial } from './rate-search.ts'
import type { Findings } from './report.ts'

export interface Durations {
  readonly probeSeconds: number
  /** Of the confirmation. */
  readonly seconds: number
  readonly latencySeconds: number
}

/** Not a trial: code is compiled and caches fill once. */
export const WARM_UP_SECONDS = 6
const PROBES = 7
const CONFIRMATIONS = 7
/** Growth of the backlog that counts as none: batches weigh more in a short load. */
export const PROBE_TOLERANCE = 0.04
const TOLERANCE = 0.01
/** Where the floor is too much for a profile, latency is measured well below its highest rate. */
const BELOW_HIGHEST = 0.8

/** Runs everything of a profile on a line. */
export async function measure(line: Line, profile: Profile, durations: Durations, say: (text: string) => void): Promise<Findings> {
  const trials: Trial[] = []
  let loads = 0

  async function load(rate: number, seconds: number): Promise<LoadResult> {
    const ledger = join(line.local, `ledger-${++loads}.csv`)
    const result = await runLoad(line, profile, rate, seconds, ledger)
    await readLedger(line.session, ledger, loads)
    rmSync(ledger)
    return result
  }

  async function attempt(kind: Trial['kind'], rate: number): Promise<LoadResult> {
    const probe = kind === 'probe'
    const result = await load(rate, probe ? durations.probeSeconds : durations.seconds)
    const judgement = judge(result.points, rate / profile.quantities, probe ? PROBE_TOLERANCE : TOLERANCE)
    const sustained = judgement.sustained && complete(result)
    trials.push({ kind, rate, sustained, throughput: (result.stats.readings * 1_000) / result.untilStoredMs })
    say(`${probe ? 'probe' : 'confirmation'}: ${describe(rate, result, judgement, sustained)}`)
    return result
  }

  // What fails for being cold would end the search below the true rate.
  await load(profile.firstRate / 2, WARM_UP_SECONDS)
  let best: LoadResult | undefined
  for (;;) {
    const step = nextStep(trials, { firstRate: profile.firstRate, probes: PROBES, confirmations: CONFIRMATIONS })
    if (step.tag === 'given-up' || step.tag === 'done') break
    if (step.tag === 'confirm') await line.session.script('writing out what is buffered', 'CHECKPOINT')
    const result = await attempt(step.tag === 'probe' ? 'probe' : 'confirmation', step.rate)
    if (step.tag === 'confirm' && trials.at(-1)?.sustained === true) best = result
  }
  const copy = best === undefined ? undefined : await measureCopy(line, best.beganMs)
  if (copy !== undefined) say(`raw binary COPY: ${whole(copy.rows)} rows in ${decimal(copy.seconds, 1)} s`)

  const highest = best?.rate ?? Math.min(...trials.map(({ throughput }) => throughput))
  const latencyLoad = await load(Math.min(FLOOR_RATE, Math.round(highest * BELOW_HIGHEST)), durations.latencySeconds)
  const latency = await measureLatency(line.session, loads, latencyLoad.beganMs + latencyLoad.seconds * 1_000)
  say(
    latency === undefined
      ? 'latency: no commit timestamp was found'
      : `latency: ${whole(latency.frames)} messages looked up, slowest ${decimal(latency.maxMs, 0)} ms`,
  )
  return { profile, best, copy, latencyLoad, latency, exactness: await checkExactness(line.session) }
}

/** Every reading was sent, acknowledged and stored. */
function complete({ stats, stored, ended }: LoadResult): boolean {
  return ended === 0 && stats.dropped === 0 && stored === stats.samples
}

function describe(
  rate: number,
  { stats, stored, ended, untilStoredMs, seconds }: LoadResult,
  judgement: Judgement,
  sustained: boolean,
): string {
  const growth = judgement.growthPerSecond / (stats.samples / seconds)
  return [
    `${whole(rate)} readings/s for ${decimal(seconds, 0)} s: ${sustained ? 'sustained' : 'too much'}`,
    `backlog ${growth >= 0 ? 'grew' : 'shrank'} by ${decimal(Math.abs(growth) * 100, 1)} % of the load`,
    `${decimal(judgement.endSeconds, 1)} s behind at the end, all stored after ${decimal(untilStoredMs / 1_000, 1)} s`,
    ...(stats.dropped > 0 ? [`${whole(stats.dropped)} samples found their device's queue full`] : []),
    ...(ended === 0 ? [] : [`${whole(stats.sealed - stats.acked)} messages were not acknowledged`]),
    ...(stored === stats.acked_samples ? [] : [`${whole(stats.acked_samples - stored)} rows missing`]),
  ].join(', ')
}
