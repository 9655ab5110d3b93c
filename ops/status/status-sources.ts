import { openAdmin } from '../../connectors/kafka/client.ts'
import { endOffset } from '../../connectors/kafka/topics.ts'
import { createDatabase } from '../../connectors/postgres/database.ts'
import { deadTopics } from '../../processors/declaration.ts'
import { store } from '../../processors/store/declaration.ts'
import type { Config } from '../../services/config.ts'
import { declaredServices } from '../../services/declared.ts'
import { kafkaClient } from '../../services/kafka.ts'
import { openLags } from '../lag/lags.ts'
import { serviceAddresses } from '../supervisor/service-programs.ts'
import { ANSWER_MS, answer, askService } from './service-report.ts'
import type { StatusSources, StoredRows } from './status.ts'

/**
 * Asks the services for their metrics, Kafka for lags and dead letters, the database for rows.
 * Dials when it is first asked.
 */
export async function openStatusSources(
  config: Config,
  fleet?: NonNullable<StatusSources['fleet']>,
): Promise<StatusSources & AsyncDisposable> {
  const silent = { info: () => undefined, warn: () => undefined, error: () => undefined }
  const admin = openAdmin(kafkaClient(config, 'millrace-status', silent))
  const lags = await openLags({ config, statementTimeoutMs: ANSWER_MS })
  const services = await declaredServices(config)
  const addresses = new Map(serviceAddresses(config, services).map(({ name, address }) => [name, address]))
  const database = createDatabase({
    url: config.env.TELEMETRY_DATABASE_URL,
    applicationName: 'millrace status',
    statementTimeoutMs: ANSWER_MS,
  })

  return {
    services,
    ...(fleet === undefined ? {} : { fleet }),
    service: (name) => askService(addresses.get(name)),
    lags: () => answer(() => lags.read()),
    deadLetters: () =>
      answer(
        async () => new Map(await Promise.all(deadTopics(services).map(async (topic) => [topic, await endOffset(admin, topic)] as const))),
      ),
    stored: () =>
      answer(() =>
        database.use(async (session): Promise<StoredRows> => {
          const [row] = await session.query<Record<keyof StoredRows, number>>(
            'reading the counts of the store',
            `SELECT ${sum('stored')} AS rows, ${sum('merged')} AS merged, ${sum('repeated')} AS repeated, ${sum('conflicts')} AS conflicts
             FROM consumer_offset WHERE consumer = $1`,
            [store.name],
          )
          return row ?? { rows: 0, merged: 0, repeated: 0, conflicts: 0 }
        }),
      ),
    async [Symbol.asyncDispose]() {
      await Promise.allSettled([admin[Symbol.asyncDispose](), lags[Symbol.asyncDispose](), database[Symbol.asyncDispose]()])
    },
  }
}

function sum(column: string): string {
  return `coalesce(sum(${column}), 0)::double precision`
}
