import { lagTable } from '../ops/lag/lag-table.ts'
import { openLags } from '../ops/lag/lags.ts'
import { loadConfig } from '../services/config.ts'
import type { ConfigOption } from './command-line.ts'
import { print } from './print.ts'

/**
 * `millrace lag`: how far each consumer group is behind, by partition. If a database decides where
 * the group resumes, the database is asked.
 */
export async function lag({ config: file }: ConfigOption): Promise<number> {
  await using lags = await openLags({ config: loadConfig(process.env, file) })
  print(...lagTable(await lags.read()))
  return 0
}
