import { parseArgs } from 'node:util'
import { findBackend } from '../connectors/postgres/backend-choice.ts'
import { createDatabase } from '../connectors/postgres/database.ts'
import { drainStrays, partitionLines } from '../ops/partitions.ts'
import { ConfigError, loadConfig } from '../services/config.ts'
import { print } from './print.ts'

/**
 * `millrace partitions [drain]`: the partitions of `readings` and the rows that lie outside them;
 * or gives these rows partitions of their days.
 * @returns 0 if no row lies outside, else 1
 */
export async function partitions(args: readonly string[]): Promise<number> {
  const { values, positionals } = parseArgs({ args: [...args], options: { config: { type: 'string' } }, allowPositionals: true })
  const [verb, ...rest] = positionals
  if ((verb !== undefined && verb !== 'drain') || rest.length > 0)
    throw new ConfigError(`expected \`millrace partitions\` or \`millrace partitions drain\`, got ${JSON.stringify(positionals.join(' '))}`)
  const config = loadConfig(process.env, values.config)
  await using database = createDatabase({
    url: config.env.TELEMETRY_DATABASE_URL,
    applicationName: 'millrace partitions',
    // Many rows take long to move.
    statementTimeoutMs: 0,
    answerTimeoutMs: 0,
  })
  return await database.use(async (session) => {
    const backend = await findBackend(session, config.store.backend)
    if (verb === 'drain') {
      const left = await drainStrays(backend, session, print)
      return left === 0 ? 0 : 1
    }
    const strays = await backend.strayDays(session)
    print(...partitionLines(backend.name, await backend.partitions(session), strays))
    return strays.length === 0 ? 0 : 1
  })
}
