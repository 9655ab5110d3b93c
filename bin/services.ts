import type { DeclaredService } from '../processors/declaration.ts'
import { loadConfig } from '../services/config.ts'
import { type ConsumerService, startConsumer } from '../services/consumer-service.ts'
import { asUserOf } from '../services/database-users.ts'
import { declaredService } from '../services/declared.ts'
import { requireOwnPorts } from '../services/metrics-ports.ts'
import { configuredQuantities } from '../services/own-quantities.ts'
import { runService, type Service, type ServiceContext } from '../services/service.ts'
import type { ConfigOption } from './command-line.ts'

/** `millrace run <service…>`, `bridge` and `store`: each a member of its own consumer group. */
export async function run(names: readonly string[], { config: file }: ConfigOption): Promise<number> {
  const config = loadConfig(process.env, file)
  const services = await Promise.all(names.map((name) => declaredService(config, name)))
  requireOwnPorts(config, services)
  const codes = await Promise.all(
    services.map(async (service) =>
      runService(service, asUserOf(service, config), await startOf(service), () => configuredQuantities(process.env, file)),
    ),
  )
  return Math.max(...codes)
}

type Start = (context: ServiceContext) => Promise<Service>

/**
 * What starts a service. It is loaded only now, so that a service does not load the code of the
 * others.
 */
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
