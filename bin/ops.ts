import { servePage } from '../ops/page/serve-page.ts'
import { makeWay } from '../ops/supervisor/make-way.ts'
import { loadConfig } from '../services/config.ts'
import { createLog } from '../services/log.ts'
import { httpAddress } from '../services/metrics-ports.ts'
import type { ConfigOption } from './command-line.ts'
import { print } from './print.ts'
import { stopSignal } from './stop-signal.ts'

interface OpsOptions extends ConfigOption {
  readonly port: number
  readonly host: string
  readonly hostName: readonly string[]
}

/** Whoever looks can wait for a moment: the line goes first. */
const NICENESS = 10

/** `millrace ops`: serves the page for operators until SIGINT or SIGTERM. */
export async function ops({ config: file, port, host, hostName: names }: OpsOptions): Promise<number> {
  const config = loadConfig(process.env, file)
  makeWay(process.pid, NICENESS)
  const stopping = stopSignal()
  await using page = await servePage({ config, host, port, names, log: createLog('ops') })
  const may = config.env.MILLRACE_OPS_TOKEN === undefined ? 'read-only: MILLRACE_OPS_TOKEN is not set' : 'actions need the token'
  print(`page  ${httpAddress(host, page.port)}/  (${may})`)
  await stopping
  return 0
}
