import { parseArgs } from 'node:util'
import { lagTable } from '../ops/lag/lag-table.ts'
import { openLags } from '../ops/lag/lags.ts'
import { loadConfig } from '../services/config.ts'
import { print } from './print.ts'

/**
 * `millrace lag`: how far each consumer group is behind, by partition; asked of the database where
 * that decides where the group goes on.
 */
export async function lag(args: readonly string[]): Promise<number> {
  const { values } = parseArgs({ args: [...args], options: { config: { type: 'string' } } })
  await using lags = await openLags({ config: loadConfig(process.env, values.config) })
  print(...lagTable(await lags.read()))
  return 0
}
