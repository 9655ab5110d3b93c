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
  if (service.kind === 'bridge') return (await import('../services/bridge/service.ts')).bridgeService
  const consumer = await consumerOf(service)
  return (context) => startConsumer(consumer, context)
}

async function consumerOf(service: Exclude<DeclaredService, { readonly kind: 'bridge' }>): Promise<ConsumerService> {
  switch (service.kind) {
    case 'store':
      return (await import('../services/store/service.ts')).storeService
    case 'continuity':
      return (await import('../services/continuity/service.ts')).continuityService
    case 'process':
      return (await import('../services/process/service.ts')).processService(service.name, service.businessProcess)
    case 'processor':
      return (await import('../services/processor/service.ts')).processorService(service.name, service.processor)
  }
}
