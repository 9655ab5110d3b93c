import { setTimeout as delay } from 'node:timers/promises'
import { ConnectorError } from '../connectors/contract.ts'
import { groupLines, lagJson, partitionLines } from '../ops/lag/lag-table.ts'
import { type LagReport, openLagWatch } from '../ops/lag/lag-watch.ts'
import { createScreen } from '../ops/status/screen.ts'
import { loadConfig } from '../services/config.ts'
import type { ConfigOption } from './command-line.ts'
import { print } from './print.ts'
import { stopSignal } from './stop-signal.ts'

interface LagOptions extends ConfigOption {
  /** Seconds. */
  readonly over: number
  readonly watch?: true | undefined
  readonly partitions?: true | undefined
  readonly json?: true | undefined
  /** Seconds. */
  readonly maxTimeLag?: number | undefined
}

const WATCH_MS = 2_000
/** With fewer seconds a rate of what is committed once a second would jump. */
const LEAST_WINDOW_MS = 10_000

/**
 * `millrace lag`: how far each consumer group is behind, and why. If a database decides where the
 * group resumes, the database is asked.
 * @returns 1 if a group is behind by more than `maxTimeLag`, or nobody knows by how much
 */
export async function lag({ config: file, over, watch, ...options }: LagOptions): Promise<number> {
  const windowMs = watch ? Math.max(LEAST_WINDOW_MS, over * 1_000) : over * 1_000 + WATCH_MS
  await using lags = await openLagWatch(loadConfig(process.env, file), windowMs)
  if (watch) return await follow(() => lags.look(), options)
  let report = await lags.look()
  if (over > 0) {
    await delay(over * 1_000)
    report = await lags.look()
  }
  for (const line of lines(report, options)) print(line)
  return exitCode(report, options)
}

async function follow(look: () => Promise<LagReport>, options: Omit<LagOptions, 'over'>): Promise<number> {
  const abort = new AbortController()
  void stopSignal().then(() => abort.abort())
  const screen = process.stdout.isTTY && !options.json ? createScreen(process.stdout) : undefined
  let code = 0
  while (!abort.signal.aborted) {
    const shown = await look().then(
      (report) => {
        code = exitCode(report, options)
        return lines(report, options)
      },
      (cause: unknown) => {
        // Who watches wants to see the outage end.
        if (!(cause instanceof ConnectorError && cause.transient)) throw cause
        code = 1
        return options.json ? [JSON.stringify({ at: new Date().toISOString(), problem: cause.message })] : [cause.message]
      },
    )
    if (screen !== undefined) screen.draw(shown)
    else print(...shown)
    await delay(WATCH_MS, undefined, { signal: abort.signal }).catch(() => undefined)
  }
  return code
}

function lines(report: LagReport, { json, partitions }: Pick<LagOptions, 'json' | 'partitions'>): readonly string[] {
  if (json) return [JSON.stringify(lagJson(report))]
  const each = partitionLines(report, partitions ? 'all' : 'behind')
  return [...groupLines(report), ...(each.length === 0 ? [] : ['', ...each])]
}

function exitCode({ groups }: LagReport, { maxTimeLag }: Pick<LagOptions, 'maxTimeLag'>): number {
  if (maxTimeLag === undefined) return 0
  return groups.every(({ timeLagSeconds }) => timeLagSeconds !== undefined && timeLagSeconds <= maxTimeLag) ? 0 : 1
}
