import { setTimeout as delay } from 'node:timers/promises'
import { type MetricSample, parseMetrics } from './prometheus-text.ts'

/** A service and what it says of itself. Undefined: it could not be asked. */
export interface ServiceReport {
  readonly metrics: readonly MetricSample[] | undefined
  /** What is wrong, by part. */
  readonly problems: ReadonlyMap<string, string> | undefined
  /** Since when, by part; ISO 8601. */
  readonly since?: ReadonlyMap<string, string>
}

/** Longest wait for an answer. Who looks each second has no use for a later one. */
export const ANSWER_MS = 900

/** Asks a service for its metrics and its health. Never rejects. */
export async function askService(address: string | undefined): Promise<ServiceReport> {
  const get = async (path: string): Promise<string> => (await fetch(`${address}${path}`, { signal: AbortSignal.timeout(ANSWER_MS) })).text()
  const [metrics, health] = await Promise.all([answer(() => get('/metrics')), answer(async () => parseHealth(await get('/health')))])
  return {
    metrics: metrics === undefined ? undefined : parseMetrics(metrics),
    problems: health?.problems,
    ...(health === undefined ? {} : { since: health.since }),
  }
}

/** The answer, or undefined if there is an error or no answer in time. */
export function answer<Value>(ask: () => Promise<Value>): Promise<Value | undefined> {
  return Promise.race([ask().catch(() => undefined), delay(ANSWER_MS, undefined, { ref: false })])
}

function parseHealth(text: string): Required<Pick<ServiceReport, 'since'>> & { readonly problems: ReadonlyMap<string, string> } {
  const { problems, since = {} } = JSON.parse(text) as { problems: Record<string, string>; since?: Record<string, string> }
  return { problems: new Map(Object.entries(problems)), since: new Map(Object.entries(since)) }
}
