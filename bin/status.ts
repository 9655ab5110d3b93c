import { createRates, type Rates } from '../ops/status/rates.ts'
import { createScreen } from '../ops/status/screen.ts'
import { figures, observe, type Snapshot, type StatusSources } from '../ops/status/status.ts'
import { openStatusSources } from '../ops/status/status-sources.ts'
import { renderLine, renderScreen, type Surroundings } from '../ops/status/status-view.ts'
import { loadConfig } from '../services/config.ts'
import type { ConfigOption } from './command-line.ts'
import { print } from './print.ts'
import { stopSignal } from './stop-signal.ts'

/**
 * `millrace status`: shows the line at a glance, each second, until Ctrl-C. If the output is no
 * terminal, it prints a line every 5 s.
 */
export async function status({ config: file }: ConfigOption): Promise<number> {
  await using sources = await openStatusSources(loadConfig(process.env, file))
  const live = showStatus(sources, { startedMs: Date.now(), hints: [], events: [] })
  await Promise.race([stopSignal(), nobodyReads()])
  await live.stop()
  return 0
}

/** The reader of the pipe has closed it. */
function nobodyReads(): Promise<unknown> {
  return new Promise((resolve) => process.stdout.once('error', resolve))
}

/** A status that is being shown. */
export interface LiveStatus {
  /** The last look. Undefined before the first one. */
  latest(): Snapshot | undefined
  /** Ends it. What is on the screen stays there. */
  stop(): Promise<void>
}

const INTERVAL_MS = 1_000
/** Rates are averaged over this time, because commits come in batches. */
const WINDOW_MS = 5_000
/** Looks between two lines if the output is no terminal. */
const LOOKS_PER_LINE = 5

/**
 * Shows the status on standard output until it is stopped. `frame` is read anew for each drawing.
 */
export function showStatus(sources: StatusSources, frame: Surroundings): LiveStatus {
  const rates = createRates(WINDOW_MS)
  const draw = process.stdout.isTTY ? onScreen(rates, frame) : inLines(rates)
  let latest: Snapshot | undefined
  let looking = Promise.resolve()
  const look = async (): Promise<void> => {
    latest = await observe(sources, Date.now())
    rates.add(latest.atMs, figures(latest))
    draw(latest)
  }
  const timer = setInterval(() => {
    looking = looking.then(look)
  }, INTERVAL_MS)
  looking = look()
  return {
    latest: () => latest,
    async stop() {
      clearInterval(timer)
      await looking
    },
  }
}

function onScreen(rates: Rates, frame: Surroundings): (snapshot: Snapshot) => void {
  const screen = createScreen(process.stdout)
  return (snapshot) => screen.draw(renderScreen(snapshot, rates, frame))
}

function inLines(rates: Rates): (snapshot: Snapshot) => void {
  let looks = 0
  return (snapshot) => {
    // The first look is skipped, because it knows no rates yet.
    if (++looks % LOOKS_PER_LINE === 0) print(`${renderLine(snapshot, rates)}`)
  }
}
