import { setTimeout as delay } from 'node:timers/promises'
import type { DeclaredService } from '../../processors/declaration.ts'
import type { Config } from '../../services/config.ts'
import { declaredServices } from '../../services/declared.ts'
import { serviceAddresses } from './service-programs.ts'

const POLL_MS = 100

/**
 * Waits until every service says that it is healthy. Then the bridge's session exists; without it a
 * broker refuses what is published.
 * @param services those to wait for; all of the configuration unless told otherwise
 * @returns the services that are not healthy when the time is over or the signal comes
 */
export async function awaitHealthy(
  config: Config,
  timeoutMs: number,
  signal?: AbortSignal,
  services?: readonly DeclaredService[],
): Promise<readonly string[]> {
  const deadline = Date.now() + timeoutMs
  let waiting = serviceAddresses(config, services ?? (await declaredServices(config)))
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

/**
 * Why a service is not healthy: what its /health says, part by part, or that it does not answer.
 */
export async function healthProblem(config: Config, name: string): Promise<string> {
  const service = serviceAddresses(config, await declaredServices(config)).find((each) => each.name === name)
  if (service === undefined) return 'it is not in the configuration'
  try {
    const response = await fetch(`${service.address}/health`, { signal: AbortSignal.timeout(1_000) })
    const { problems = {} } = (await response.json()) as { readonly problems?: Readonly<Record<string, string>> }
    return Object.entries(problems)
      .map(([part, problem]) => `${part}: ${problem}`)
      .join('; ')
  } catch {
    return `nothing answers at ${service.address}: is \`millrace up\` running? Its services' logs say more`
  }
}
