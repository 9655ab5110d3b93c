import { type ChildProcess, spawn } from 'node:child_process'
import { once, setMaxListeners } from 'node:events'
import { get } from 'node:http'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { projectRoot } from '../../schemas/files.ts'
import { DEFAULT_PROCESSORS } from '../../services/config-shape.ts'
import type { Beside } from './beside.ts'
import type { Line } from './line.ts'

const SLOW_MOVEMENT = 'slow-movement'
const MILLRACE = join(projectRoot, 'bin/millrace')
const BROWSERS = 20
const PAGE_PORT = 9_580
const READY_MS = 20_000

/** What may be asked for by name, with the processors that its line has. */
export const BESIDES: Readonly<Record<string, { readonly processors: readonly string[]; readonly of: (line: Line) => Beside }>> = {
  [SLOW_MOVEMENT]: { processors: [...DEFAULT_PROCESSORS, join(projectRoot, 'test/bench', SLOW_MOVEMENT)], of: slowMovement },
  page: { processors: DEFAULT_PROCESSORS, of: page },
  replay: { processors: DEFAULT_PROCESSORS, of: replay },
}

/** A business process that is behind from the first load on, so it is busy whenever it runs. */
function slowMovement(line: Line): Beside {
  const pid = (): number => {
    const found = line.pids().get(SLOW_MOVEMENT)
    if (found === undefined) throw new Error(`${SLOW_MOVEMENT} is not running`)
    return found
  }
  process.kill(pid(), 'SIGSTOP')
  return {
    name: SLOW_MOVEMENT,
    says: `${SLOW_MOVEMENT} 100 ms slower for each device`,
    group: SLOW_MOVEMENT,
    async start() {
      const running = pid()
      process.kill(running, 'SIGCONT')
      return { [Symbol.asyncDispose]: async () => void process.kill(running, 'SIGSTOP') }
    },
  }
}

/**
 * The page for operators, and what browsers on its tabs and on devices read of it. Streams stand
 * for the browsers: twenty of Chromium on the cores of the line would measure Chromium.
 */
function page(): Beside {
  return {
    name: `${BROWSERS} browsers`,
    says: `${BROWSERS} browsers on the page of millrace ops`,
    async start() {
      const child = run('ops', '--port', String(PAGE_PORT))
      const stop = new AbortController()
      setMaxListeners(BROWSERS, stop.signal)
      const tabs = [['line'], ['line', 'lag'], ['continuity'], ['device:bench-1'], ['device:bench-2']]
      await answering(`http://127.0.0.1:${PAGE_PORT}/api/page`)
      for (let browser = 0; browser < BROWSERS; browser++) look(tabs[browser % tabs.length] as readonly string[], stop.signal)
      return {
        pid: child.pid,
        async [Symbol.asyncDispose]() {
          stop.abort()
          await end(child)
        },
      }
    },
  }
}

/** Somebody who replays what a device has sent, again and again, with the cap that is usual. */
function replay(): Beside {
  return {
    name: 'a replay',
    says: 'a replay of one device with the usual cap, again and again',
    async start() {
      let stopped = false
      let child: ChildProcess | undefined
      const running = (async () => {
        while (!stopped) {
          child = run('replay', '--topic', 'readings', '--device', 'bench-1', '--from', '2h', '--format', 'csv')
          await once(child, 'exit')
        }
      })()
      return {
        async [Symbol.asyncDispose]() {
          stopped = true
          child?.kill()
          await running
        },
      }
    },
  }
}

function run(...args: readonly string[]): ChildProcess {
  // In a session of its own, as a service manager starts it.
  return spawn(MILLRACE, args, { stdio: 'ignore', detached: true })
}

async function end(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null) throw new Error(`millrace ops ended with ${child.exitCode} beside the load`)
  child.kill()
  await once(child, 'exit')
}

async function answering(url: string): Promise<void> {
  for (const deadline = Date.now() + READY_MS; ; await delay(100)) {
    const answer = await fetch(url).catch(() => undefined)
    if (answer?.ok === true) return
    if (Date.now() > deadline) throw new Error(`${url} does not answer within ${READY_MS / 1_000} s`)
  }
}

/** Reads the stream as a browser does, and throws away what comes. */
function look(channels: readonly string[], signal: AbortSignal): void {
  const address = `http://127.0.0.1:${PAGE_PORT}/events?channels=${encodeURIComponent(JSON.stringify(channels))}`
  get(address, { signal }, (response) => {
    if (response.statusCode !== 200) throw new Error(`${address}: ${response.statusCode}`)
    response.on('error', () => undefined).resume()
  }).on('error', (cause) => {
    if (!signal.aborted) throw cause
  })
}
