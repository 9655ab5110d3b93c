import { hostname, userInfo } from 'node:os'
import { redrivable } from '../ops/redrive/line.ts'
import { redriveDeadLetters } from '../ops/redrive/redrive.ts'
import { loadConfig } from '../services/config.ts'
import { createLog } from '../services/log.ts'
import type { ConfigOption } from './command-line.ts'
import { deadLetterFilter } from './dead-letter-options.ts'
import { print } from './print.ts'
import { sayMoments } from './say-moments.ts'
import { stopSignal } from './stop-signal.ts'

/** How long a run may take, after the first signal, to finish the dead letters under way. */
const STOP_DEADLINE_MS = 10_000

type Options = ConfigOption &
  Parameters<typeof deadLetterFilter>[0] & {
    readonly rate?: number | undefined
    readonly maxAttempts: number
    readonly dryRun?: true | undefined
  }

/** `millrace redrive <processor>`: runs a processor over its own dead letters. */
export async function redrive(processor: string, { rate, maxAttempts, dryRun, ...options }: Options): Promise<number> {
  const config = loadConfig(process.env, options.config)
  const service = await redrivable(config, processor)
  const filter = deadLetterFilter(options)
  sayMoments({ '--from': filter.fromMs, '--to': filter.toMs })
  const [stopping, abort] = [new AbortController(), new AbortController()]
  void stopSignal().then(() => {
    stopping.abort(new Error('interrupted'))
    setTimeout(() => abort.abort(new Error('interrupted')), STOP_DEADLINE_MS).unref()
  })
  const { ending, lines } = await redriveDeadLetters({
    config,
    service,
    filter,
    rate: rate ?? null,
    maxAttempts,
    dryRun: dryRun === true,
    by: `${userInfo().username}@${hostname()}`,
    log: createLog('redrive'),
    stopping: stopping.signal,
    signal: abort.signal,
  })
  print(...lines)
  return ending === 'finished' ? 0 : 1
}
