import { setTimeout as delay } from 'node:timers/promises'
import type { Config } from '../../services/config.ts'
import { declaredServices } from '../../services/declared.ts'
import { serviceAddresses } from './service-programs.ts'

const POLL_MS = 100

/**
 * Waits until every service says that it is healthy. Then the bridge's session exists; without it a
 * broker refuses what is published.
 * @returns the services that are not healthy when the time is over or the signal comes
 */
export async function awaitHealthy(config: Config, timeoutMs: number, signal?: AbortSignal): Promise<readonly string[]> {
  const deadline = Date.now() + timeoutMs
  let waiting = serviceAddresses(config, await declaredServices(config))
  for (;;) {
    const states = await Promise.all(waiting.map(async (service) => ({ service, healthy: await healthy(service.address) })))
    waiting = states.filter((state) => !state.healthy).map(({ service }) => service)
    if (waiting.length === 0 || Date.now() >= deadline || signal?.aborted === true) return waiting.map(({ name }) => name)
    await delay(POLL_MS)
  }
}

async function healthy(address: string): Promise<boolean> {
  try {
    return (await fetch(`${address}/health`, { signal: AbortSignal.timeout(1_000) })).ok
  } catch {
    // Not listening yet.
    return false
  }
}
