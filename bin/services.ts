import { parseArgs } from 'node:util'
import type { DeclaredService } from '../processors/declaration.ts'
import { ConfigError, loadConfig, requireOwnPorts } from '../services/config.ts'
import { type ConsumerService, startConsumer } from '../services/consumer-service.ts'
import { declaredService } from '../services/declared.ts'
import { runService, type Service, type ServiceContext } from '../services/service.ts'

/** `millrace bridge` */
export function bridge(args: readonly string[]): Promise<number> {
  return run(['bridge', ...args])
}

/** `millrace store` */
export function store(args: readonly string[]): Promise<number> {
  return run(['store', ...args])
}

/** `millrace run <service…>`: each is a member of its own consumer group. */
export async function run(args: readonly string[]): Promise<number> {
  const { values, positionals } = parseArgs({ args: [...args], options: { config: { type: 'string' } }, allowPositionals: true })
  const config = loadConfig(process.env, values.config)
  if (positionals.length === 0) throw new ConfigError('run needs the name of at least one processor, as in `millrace run standardise`')
  const services = await Promise.all(positionals.map((name) => declaredService(config, name)))
  requireOwnPorts(config, services)
  const codes = await Promise.all(services.map(async (service) => runService(service, config, await startOf(service))))
  return Math.max(...codes)
}

type Start = (context: ServiceContext) => Promise<Service>

/** What starts a service. Loaded only now: one does not pay for the others. */
async function startOf(service: DeclaredService): Promise<Start> {
  switch (service.kind) {
    case 'bridge':
      return (await import('../services/bridge/service.ts')).bridgeService
    case 'store':
      return consumer((await import('../services/store/service.ts')).storeService)
    case 'continuity':
      return consumer((await import('../services/continuity/service.ts')).continuityService(service))
    case 'process':
      return consumer((await import('../services/process/service.ts')).processService(service))
    case 'processor':
      return consumer((await import('../services/processor/service.ts')).processorService(service))
  }
}

function consumer(service: ConsumerService): Start {
  return (context) => startConsumer(service, context)
}
