import { randomBytes } from 'node:crypto'
import { ConnectorError } from '../../connectors/contract.ts'
import { type Page, servePage } from '../../ops/page/serve-page.ts'
import type { Config } from '../../services/config.ts'
import { createLog } from '../../services/log.ts'
import { OPS_PORT } from '../ops.command.ts'

const HOST = '127.0.0.1'

/** The page for operators, on this machine. */
export interface DemoPage extends AsyncDisposable {
  readonly address: string
  /** With it actions are allowed. */
  readonly token: string
}

/**
 * Serves the page beside the demonstration: on its usual port, or on any that is free if another
 * program has that one.
 */
export async function serveDemoPage(config: Config): Promise<DemoPage> {
  const token = config.env.MILLRACE_OPS_TOKEN ?? randomBytes(16).toString('hex')
  const options = { config: { ...config, env: { ...config.env, MILLRACE_OPS_TOKEN: token } }, host: HOST, names: [], log: quiet() }
  const page = await servePage({ ...options, port: OPS_PORT }).catch((cause: unknown): Promise<Page> => {
    if (!(cause instanceof ConnectorError && cause.code === 'EADDRINUSE')) throw cause
    return servePage({ ...options, port: 0 })
  })
  return { address: `http://${HOST}:${page.port}/`, token, [Symbol.asyncDispose]: () => page[Symbol.asyncDispose]() }
}

/** What is no news would disturb the status on the terminal. */
function quiet(): ReturnType<typeof createLog> {
  return { ...createLog('ops'), info: () => undefined }
}
