import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { bootFile, FLEET_PROGRAM } from '../../bin/demo/fleets.ts'
import { startFleet } from '../../ops/fleet/fleet-process.ts'
import type { FleetStats } from '../../ops/fleet/fleet-stats.ts'
import { fleetAccess } from '../../services/fleet-access.ts'
import { isHopeless, type Point } from './backlog.ts'
import type { Line } from './line.ts'
import { createMeter, type Meter, type ProcessUse } from './meter.ts'
import type { Profile } from './profile.ts'

/** What one run of the fleet did, and what became of it. */
export interface LoadResult {
  /** Readings a second that were asked for. */
  readonly rate: number
  /** As long as it lasted: a hopeless load is cut short. */
  readonly seconds: number
  /** The fleet's last figures. */
  readonly stats: FleetStats
  /** Exit code 0: all that was sealed was acknowledged. */
  readonly ended: number | NodeJS.Signals
  readonly points: readonly Point[]
  /** Rows of this load that were stored in the end. */
  readonly stored: number
  /** From the load's beginning until its last row was stored. */
  readonly untilStoredMs: number
  readonly ledger: string
  /** Milliseconds since 1970: about when sampling began. */
  readonly beganMs: number
  /** CPU and memory from the beginning of the load to its end. */
  readonly use: ReadonlyMap<string, ProcessUse>
  /** Messages that were published for the first time while that was used. */
  readonly usedMessages: number
}

const POLL_MS = 200
/** Messages that wait for their PUBACK at the end of an overload. */
const DRAIN_SECONDS = 60
/** Rows that have not come after this long without any will not come. */
const STANDSTILL_MS = 15_000

/** Sends at a rate for a while, then waits until all of it is stored. */
export async function runLoad(line: Line, profile: Profile, rate: number, seconds: number, ledger: string): Promise<LoadResult> {
  const before = await line.stored()
  const rowsPerSecond = rate / profile.quantities
  const points: Point[] = []
  let beganMs: number | undefined
  let meter: Meter | undefined
  let use: ReadonlyMap<string, ProcessUse> | undefined
  let [messagesBefore, usedMessages] = [0, 0]
  let looking: Promise<void> = Promise.resolve()
  let stopped = false

  const finish = (of: Meter, stats: FleetStats): void => {
    use = of.finish()
    usedMessages = publishedOnce(stats) - messagesBefore
  }
  const heard = async (stats: FleetStats): Promise<void> => {
    if (stats.samples === 0) return
    const now = Date.now()
    beganMs ??= now - (stats.samples / rowsPerSecond) * 1_000
    if (meter === undefined) {
      meter = createMeter(() => new Map([...line.pids(), ...(fleet.pid === undefined ? [] : [['fleet', fleet.pid] as const])]))
      messagesBefore = publishedOnce(stats)
    }
    meter.look()
    const elapsedMs = now - beganMs
    if (elapsedMs < seconds * 1_000) {
      points.push({ atMs: now, stored: (await line.stored()) - before })
      if (elapsedMs > (seconds - 1.5) * 1_000) finish(meter, stats)
      if (!stopped && isHopeless(points, rowsPerSecond)) {
        if (use === undefined) finish(meter, stats)
        // Only once: a second time it would leave without its PUBACKs, and what is stored of that
        // would pass for doubled.
        stopped = true
        fleet.stop()
      }
    }
  }
  await using fleet = startFleet({
    program: FLEET_PROGRAM,
    broker: fleetAccess(line.config.env),
    args: [
      ...['--prefix', 'bench', '--devices', String(profile.devices), '--firmware', profile.firmware],
      ...['--rate', String(rate), '--duration', String(seconds), '--drain', String(DRAIN_SECONDS), '--ledger', ledger],
      ...['--boot-file', bootFile(line.local, 'bench'), ...profile.options],
    ],
    logFile: join(line.local, 'log', 'fleet.log'),
    heard: (stats) => {
      looking = looking.then(() => heard(stats))
    },
  })
  const ended = await fleet.ended
  await looking
  const stats = fleet.stats()
  if (stats === undefined || beganMs === undefined || use === undefined)
    throw new Error(`the fleet did not run for its time: see ${join(line.local, 'log', 'fleet.log')}`)
  const { stored, lastMs } = await drained(line, before, stats.acked_samples)
  return {
    rate,
    seconds: Math.min(seconds, (stats.samples - stats.dropped) / rowsPerSecond),
    stats,
    ended,
    points,
    stored,
    untilStoredMs: lastMs - beganMs,
    ledger,
    beganMs,
    use,
    usedMessages,
  }
}

function publishedOnce({ published, resent }: FleetStats): number {
  return published - resent
}

/** Waits until so many rows are stored, or none come any more. */
async function drained(line: Line, before: number, wanted: number): Promise<{ stored: number; lastMs: number }> {
  let stored = (await line.stored()) - before
  let lastMs = Date.now()
  while (stored < wanted && Date.now() - lastMs < STANDSTILL_MS) {
    await delay(POLL_MS)
    const now = (await line.stored()) - before
    if (now === stored) continue
    stored = now
    lastMs = Date.now()
  }
  return { stored, lastMs }
}
