import { parseArgs } from 'node:util'
import { CONTINUITY } from '../processors/continuity/topics.ts'
import type { ConsumerName } from '../processors/contract.ts'
import { ConfigError, loadConfig, requireOwnPorts } from '../services/config.ts'
import { type ConsumerService, startConsumer } from '../services/consumer-service.ts'
import { loadProcess, loadProcessor, requireProcessors } from '../services/loading.ts'
import { runService } from '../services/service.ts'

const options = { config: { type: 'string' } } as const

/** `millrace bridge` */
export async function bridge(args: readonly string[]): Promise<number> {
  const { values } = parseArgs({ args: [...args], options })
  const config = loadConfig(process.env, values.config)
  const { bridgeService } = await import('../services/bridge/service.ts')
  return runService('bridge', config, bridgeService)
}

/** `millrace store` */
export async function store(args: readonly string[]): Promise<number> {
  const { values } = parseArgs({ args: [...args], options })
  const config = loadConfig(process.env, values.config)
  const { storeService } = await import('../services/store/service.ts')
  return runService('store', config, (context) => startConsumer(storeService, context))
}

/** `millrace run <processor…>`: each is a member of its own consumer group. */
export async function run(args: readonly string[]): Promise<number> {
  const { values, positionals } = parseArgs({
    args: [...args],
    options,
    allowPositionals: true,
  })
  const config = loadConfig(process.env, values.config)
  if (positionals.length === 0) throw new ConfigError('run needs the name of at least one processor, as in `millrace run standardise`')
  requireProcessors(positionals)
  requireOwnPorts(config, positionals)
  const codes = await Promise.all(
    positionals.map(async (name) => {
      const service = await serviceOf(name as ConsumerName)
      return runService(name, config, (context) => startConsumer(service, context))
    }),
  )
  return Math.max(...codes)
}

/**
 * A processor's service: the ledger of frame numbers and business processes have their own ways
 * with their databases.
 */
async function serviceOf(name: ConsumerName): Promise<ConsumerService> {
  if (name === CONTINUITY) return (await import('../services/continuity/service.ts')).continuityService
  const businessProcess = await loadProcess(name)
  if (businessProcess !== undefined) return (await import('../services/process/service.ts')).processService(name, businessProcess)
  const { processorService } = await import('../services/processor/service.ts')
  return processorService(name, await loadProcessor(name))
}
