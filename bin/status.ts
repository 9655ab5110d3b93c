import { createRates, type Rates } from '../ops/status/rates.ts'
import { createScreen } from '../ops/status/screen.ts'
import { figures, observe, type Snapshot, type StatusSources } from '../ops/status/status.ts'
import { openStatusSources } from '../ops/status/status-sources.ts'
import { renderLine, renderScreen, type Surroundings } from '../ops/status/status-view.ts'
import { awaitHealthy, healthProblem } from '../ops/supervisor/service-health.ts'
import { type Config, loadConfig } from '../services/config.ts'
import { declaredServices } from '../services/declared.ts'
import { type ConfigOption, UsageError } from './command-line.ts'
import { print } from './print.ts'
import { stopSignal } from './stop-signal.ts'

/**
 * `millrace status`: shows the line at a glance, each second, until Ctrl-C. If the output is no
 * terminal, it prints a line every 5 s. With `wait` it only waits until every service, or each of
 * those that are named, is healthy.
 */
export async function status(
  services: readonly string[],
  { config: file, wait }: ConfigOption & { readonly wait?: number | undefined },
): Promise<number> {
  const config = loadConfig(process.env, file)
  if (wait !== undefined) return await ready(config, services, wait)
  if (services.length > 0) throw new UsageError(`expected --wait with the name of a service, got ${services.join(' ')}`)
  await using sources = await openStatusSources(config)
  const live = showStatus(sources, { startedMs: Date.now(), hints: [], events: [] })
  await Promise.race([stopSignal(), nobodyReads()])
  await live.stop()
  return 0
}

async function ready(config: Config, names: readonly string[], seconds: number): Promise<number> {
  const all = await declaredServices(config)
  const unknown = names.find((name) => all.every((service) => service.name !== name))
  if (unknown !== undefined)
    throw new UsageError(`there is no service ${JSON.stringify(unknown)}, expected one of: ${all.map(({ name }) => name).join(', ')}`)
  const awaited = names.length === 0 ? all : all.filter(({ name }) => names.includes(name))
  const abort = new AbortController()
  void stopSignal().then(() => abort.abort())
  const missing = await awaitHealthy(config, seconds * 1000, abort.signal, awaited)
  if (missing.length === 0) print(`ready: ${awaited.map(({ name }) => name).join(', ')}`)
  for (const name of missing) print(`not ready: ${name}: ${await healthProblem(config, name)}`)
  return missing.length === 0 ? 0 : 1
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
