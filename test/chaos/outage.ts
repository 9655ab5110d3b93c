import { setTimeout as delay } from 'node:timers/promises'
import pg from 'pg'
import { check } from './check.ts'
import { isFleet, type Session, withSession } from './session.ts'
import { readSettings, type Settings } from './settings.ts'
import { LAST_DEVICE } from './settle.ts'

const DEFAULT_MINUTES = 2
/** Of load before the outage: services are warm. */
const BEFORE_S = 20
const TELL_EVERY_S = 30
/** Readings in a sample, of both fleets' firmwares. */
const READINGS_PER_SAMPLE = 5
/** Caught up: as far behind as in ordinary operation. */
const BEHIND_S = 3
/** What is promised. */
const MOST_MEGABYTES = 300
const LEAST_RATIO = 2

/**
 * PostgreSQL is away for minutes while devices go on: nothing is dead-lettered, memory stays
 * bounded, and what has gathered is stored in time.
 */
async function outage(settings: Settings, { line, signal, say, load, settled }: Session): Promise<boolean> {
  const outageS = settings.minutes * 60
  const samplesPerSecond = settings.rate / READINGS_PER_SAMPLE
  const running = await load('outage', BEFORE_S + 2 * outageS + 30)
  const beganMs = performance.now()
  const elapsedS = (): number => (performance.now() - beganMs) / 1000
  await delay(BEFORE_S * 1000, undefined, { signal })

  say(`PostgreSQL stopped for ${outageS} s`)
  await line.stack.stopPostgresAtOnce()
  for (let left = outageS; left > 0; left -= TELL_EVERY_S) {
    await delay(Math.min(left, TELL_EVERY_S) * 1000, undefined, { signal })
    say(`still away; peak memory ${listed(line.services.peakMegabytes())}`)
  }
  await line.stack.start(line.stack.primary)
  const returnedS = elapsedS()
  const before = await storedSamples(line.direct.telemetryUrl)
  say(`PostgreSQL is back; ${Math.round(samplesPerSecond * returnedS - before)} samples wait`)

  let caughtUpS = Number.NaN
  let stored = before
  while (Number.isNaN(caughtUpS) && elapsedS() < returnedS + 2 * outageS + 60) {
    await delay(500, undefined, { signal })
    stored = await storedSamples(line.direct.telemetryUrl)
    if (stored >= samplesPerSecond * (elapsedS() - BEHIND_S)) caughtUpS = elapsedS()
  }
  const ratio = (stored - before) / (caughtUpS - returnedS) / samplesPerSecond
  say(`caught up ${(caughtUpS - returnedS).toFixed(1)} s after its return, ${ratio.toFixed(1)} times as fast as it came in`)

  // The load was meant for the slowest catching up that is promised.
  for (const { fleet } of running) fleet.stop()
  await Promise.all(running.map(({ fleet }) => fleet.done))
  const { last, seconds } = await settled()
  say(`settled ${seconds} s after the end of the load; comparing`)
  const frames = running.map(({ firmware, fleet }) => ({ phase: 'outage', ledger: fleet.ledger, firmware }))
  const readings = [{ phase: 'outage', device: LAST_DEVICE, readings: [last] }]
  const { comparison, deadLetters, continuity } = await check(line, {
    frames,
    readings,
    poison: [],
    moves: [],
    statuses: new Map(),
    isFleet,
  })
  const peaks = line.services.peakMegabytes()
  const wrong = [
    ...Object.entries(peaks).flatMap(([name, megabytes]) =>
      megabytes < MOST_MEGABYTES ? [] : [`${name} took ${megabytes} MB, and at most ${MOST_MEGABYTES} are promised`],
    ),
    ...(ratio >= LEAST_RATIO ? [] : [`caught up ${ratio.toFixed(1)} times as fast as it came in, and ${LEAST_RATIO} times are promised`]),
    ...(deadLetters.wrongly.length === 0 ? [] : [`${deadLetters.wrongly.length} dead letters`, ...deadLetters.wrongly.slice(0, 10)]),
    ...(comparison.missing.length === 0 ? [] : [`${comparison.missing.length} frames are missing`]),
    ...(comparison.countedTwice === 0 ? [] : [`doubled: ${comparison.countedTwice}`]),
    ...(comparison.corrupted + comparison.unexpected === 0 ? [] : [`${comparison.corrupted + comparison.unexpected} rows are not as sent`]),
    ...(continuity.addsUp ? [] : ['the states of continuity do not add up']),
  ]
  process.stdout.write(`
  sent         ${comparison.sent.outage} samples, stored ${comparison.stored.outage}
  outage       ${(returnedS - BEFORE_S).toFixed(0)} s; caught up in ${(caughtUpS - returnedS).toFixed(1)} s, ${ratio.toFixed(1)} times as fast as it came in
  dead         ${deadLetters.wrongly.length}
  peak memory  ${listed(peaks)}
  ended alone  ${listed(line.services.endedByThemselves, '') || 'none'}

`)
  for (const text of wrong) process.stdout.write(`  WRONG: ${text}\n`)
  process.stdout.write(
    wrong.length === 0 ? 'an outage was an outage: nothing lost, nothing dead-lettered\n' : `FAILED; logs are in ${line.directory}\n`,
  )
  return wrong.length === 0
}

async function storedSamples(url: string): Promise<number> {
  const client = new pg.Client(url)
  await client.connect()
  try {
    const { rows } = await client.query<{ stored: string }>(
      "SELECT coalesce(sum(stored), 0) AS stored FROM consumer_offset WHERE consumer = 'store'",
    )
    return Number(rows[0]?.stored)
  } finally {
    await client.end()
  }
}

function listed(figures: Readonly<Record<string, number>>, unit = ' MB'): string {
  return Object.entries(figures)
    .map(([name, value]) => `${name} ${value}${unit}`)
    .join(', ')
}

const settings = readSettings(process.env, DEFAULT_MINUTES)
process.stdout.write(`outage: SEED=${settings.seed} MINUTES=${settings.minutes}\n`)
process.exitCode = await withSession(settings, (session) => outage(settings, session))
process.exit()
