import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { LocalStackError } from '../../ops/supervisor/local-stack.ts'
import { projectRoot } from '../../schemas/files.ts'
import { DEFAULT_PROCESSORS } from '../../services/config-shape.ts'
import { describeBeside, measureBeside } from './beside.ts'
import { BESIDES } from './besides.ts'
import { describeCost, measureCost, optionalProcessor, optionalRollups } from './cost.ts'
import { openLine, startLine } from './line.ts'
import { type Durations, measure } from './measure.ts'
import { provisionOrchard } from './orchard.ts'
import { describeOrchard, measureOrchard, ORCHARD, ORCHARD_PROCESSORS } from './orchard-measure.ts'
import { PROFILE_NAMES, type Profile, profiles } from './profile.ts'
import { latest, renderReport, type Summary, summarise } from './report.ts'

/** Of the confirmation, which the figures come from. */
const SECONDS = 60
const PROBE_SECONDS = 9
const LATENCY_SECONDS = 30

function chosenProfiles(name: string | undefined): readonly Profile[] {
  if (name === 'all') return Object.values(profiles)
  const chosen = PROFILE_NAMES.find((known) => known === (name ?? 'full'))
  if (chosen === undefined) throw new RangeError(`PROFILE: expected ${PROFILE_NAMES.join(', ')} or all, got "${name}"`)
  return [profiles[chosen]]
}

function durations(given: string | undefined): Durations {
  const seconds = given === undefined || given === '' ? SECONDS : Number(given)
  if (!(seconds >= 5 && seconds <= 3_600)) throw new RangeError(`BENCH_SECONDS: expected 5 to 3600, got "${given}"`)
  return { seconds, probeSeconds: Math.min(PROBE_SECONDS, seconds), latencySeconds: Math.min(LATENCY_SECONDS, seconds) }
}

/** Not a processor: what the store does beside rows. */
const ROLLUPS = 'rollups'

/** The processors that the line can do without, and the roll-ups. */
function chosenProcessor(name: string): string {
  const optional = [...DEFAULT_PROCESSORS.filter((processor) => processor !== 'standardise'), ROLLUPS]
  if (!optional.includes(name))
    throw new RangeError(`BENCH_COST: expected ${[...optional, ...Object.keys(BESIDES)].join(' or ')}, got "${name}"`)
  return name
}

function stopwatch(): (text: string) => void {
  const begun = Date.now()
  return (text) => {
    process.stdout.write(`${String(Math.round((Date.now() - begun) / 1_000)).padStart(4)} s  ${text}\n`)
  }
}

async function compare(profile: Profile, processor: string): Promise<void> {
  const say = stopwatch()
  say(`profile ${profile.name}: ${profile.says}; what ${processor} costs; starting a line of its own`)
  await using line = await openLine(profile, say)
  const optional = processor === ROLLUPS ? optionalRollups(line) : optionalProcessor(line, processor)
  process.stdout.write(`\n${describeCost(profile, processor, await measureCost(line, profile, optional, say))}\n\n`)
}

async function compareBeside(profile: Profile, { processors, of }: (typeof BESIDES)[string]): Promise<void> {
  const say = stopwatch()
  say(`profile ${profile.name}: ${profile.says}; starting a line of its own`)
  await using line = await openLine(profile, say, processors)
  const beside = of(line)
  process.stdout.write(`\n${describeBeside(profile, beside, await measureBeside(line, profile, beside, say)).join('\n')}\n\n`)
}

async function allProcesses({ seconds }: Durations): Promise<void> {
  const say = stopwatch()
  say(`all processes with ${ORCHARD.devices} devices; starting a line of its own`)
  await using line = await startLine({ processors: ORCHARD_PROCESSORS, provision: (database) => provisionOrchard(database, ORCHARD) }, say)
  process.stdout.write(`\n${describeOrchard(await measureOrchard(line, seconds, say)).join('\n')}\n\n`)
}

async function run(profile: Profile, seconds: Durations): Promise<Summary> {
  const say = stopwatch()
  say(`profile ${profile.name}: ${profile.says}; starting a line of its own`)
  await using line = await openLine(profile, say)
  const summary = summarise(await measure(line, profile, seconds, say))
  process.stdout.write(`\n${renderReport(summary, profile).join('\n')}\n\n`)
  return summary
}

async function bench(): Promise<number> {
  const chosen = chosenProfiles(process.env.PROFILE)
  const { BENCH_COST: cost = '', BENCH_PROCESSES: processes = '' } = process.env
  if (processes !== '') {
    if (processes !== '1') throw new RangeError(`BENCH_PROCESSES: expected 1, got "${processes}"`)
    await allProcesses(durations(process.env.BENCH_SECONDS))
    return 0
  }
  const beside = BESIDES[cost]
  if (beside !== undefined) {
    for (const profile of chosen) await compareBeside(profile, beside)
    return 0
  }
  if (cost !== '') {
    const processor = chosenProcessor(cost)
    for (const profile of chosen) await compare(profile, processor)
    return 0
  }
  const seconds = durations(process.env.BENCH_SECONDS)
  const [first, ...others] = chosen
  if (first === undefined) throw new RangeError('there is no profile')
  const summaries: [Summary, ...Summary[]] = [await run(first, seconds)]
  for (const profile of others) summaries.push(await run(profile, seconds))
  const path = join(projectRoot, 'test/bench/latest.json')
  writeFileSync(path, `${JSON.stringify(latest(summaries, new Date().toISOString()), null, 2)}\n`)
  process.stdout.write(`figures: ${path}\n`)
  // What was lost or doubled is a failure whatever the rate; so is a line that sustained nothing.
  const failed = summaries.filter(({ lost, doubled, readings_per_second: rate }) => lost > 0 || doubled > 0 || rate === null)
  for (const { profile, lost, doubled } of failed)
    process.stdout.write(`FAILED: profile ${profile}, ${lost} rows lost, ${doubled} doubled\n`)
  return failed.length === 0 ? 0 : 1
}

try {
  process.exitCode = await bench()
} catch (cause) {
  const expected = cause instanceof LocalStackError || cause instanceof RangeError
  process.stderr.write(`bench: ${cause instanceof Error ? (expected ? cause.message : (cause.stack ?? cause.message)) : String(cause)}\n`)
  process.exit(1)
}
