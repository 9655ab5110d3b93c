import { parseArgs } from 'node:util'
import { consumerGroups, lags } from '../ops/lag/groups.ts'
import { lagTable } from '../ops/lag/lag-table.ts'
import { loadConfig } from '../services/config.ts'
import { kafkaClient } from '../services/kafka.ts'
import { createLog } from '../services/log.ts'
import { print } from './print.ts'

/** `millrace lag`: how far each consumer group is behind, by partition. */
export async function lag(args: readonly string[]): Promise<number> {
  const { values } = parseArgs({ args: [...args], options: { config: { type: 'string' } } })
  const config = loadConfig(process.env, values.config)
  const admin = kafkaClient(config, 'millrace-lag', createLog('lag')).admin()
  await admin.connect()
  try {
    print(...lagTable(await lags(admin, await consumerGroups(config))))
    return 0
  } finally {
    await admin.disconnect()
  }
}
