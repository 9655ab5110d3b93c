import { setTimeout as delay } from 'node:timers/promises'
import { ConnectorError } from '../../../connectors/contract.ts'
import { findBackend } from '../../../connectors/postgres/backend-choice.ts'
import type { Database } from '../../../connectors/postgres/database.ts'
import { archiveSettings, partitionSettings } from '../../../services/config.ts'
import { sharedAnswer } from '../../../services/http-server.ts'
import { partitionReport } from '../../partitions.ts'
import { total } from '../../status/prometheus-text.ts'
import { askService } from '../../status/service-report.ts'
import { serviceAddresses } from '../../supervisor/service-programs.ts'
import { DATABASES } from '../line/layout.ts'
import type { OpenSection } from '../section.ts'
import { diskOf, shownServers } from './data-disk.ts'
import type { DatabaseDisk, StorageState } from './messages.ts'

const LOOK_MS = 15_000
const SHARE = 0.05
/** Of a table with thousands of partitions the sizes take a while. */
const STATEMENT_MS = 20_000

/** Partitions, the archive, rows outside and disk: feed `storage`. */
export const openStorageSection: OpenSection = async ({ config, services, database }) => {
  const databases = { telemetry: database('telemetry', STATEMENT_MS), app: database('app') }
  const { TELEMETRY_DATABASE_URL: telemetryUrl, APP_DATABASE_URL: appUrl } = config.env
  const store = serviceAddresses(config, services).find(({ name }) => name === 'store')?.address

  const look = sharedAnswer(SHARE, LOOK_MS, async (): Promise<StorageState> => {
    const [report, { metrics }, ...disks] = await Promise.all([
      databases.telemetry.use(async (session) => {
        const backend = await findBackend(session, config.store.backend)
        // The reader may not look into the default partition. The store counts what is in it.
        const seen = { ...backend, strayDays: async () => ({ days: [], exact: false }) }
        return partitionReport(seen, session, partitionSettings(config), Date.now(), archiveSettings(config)?.afterDays)
      }),
      askService(store),
      databaseDisk(DATABASES.telemetry, telemetryUrl, databases.telemetry),
      databaseDisk(DATABASES.app, appUrl, databases.app),
    ])
    const figure = (name: string): number | null => {
      const value = metrics === undefined ? undefined : total(metrics, name)
      return value === undefined || Number.isNaN(value) ? null : value
    }
    const none = report.backend === 'timescaledb' ? 0 : undefined
    return {
      at: Date.now(),
      backend: report.backend,
      partitions: report.partitions,
      archived: report.archived.map(({ day, rows, bytes, location }) => ({ day, rows, bytes, location })),
      toBeMade: report.toBeMade,
      strayRows: none ?? figure('millrace_stray_rows'),
      strayDays: none ?? figure('millrace_stray_days'),
      databases: disks,
    }
  })

  return {
    name: 'storage',
    feeds: [
      {
        name: 'storage',
        silentMs: 45_000,
        async run({ publish, signal }) {
          while (!signal.aborted) {
            publish(await look())
            await delay(LOOK_MS, undefined, { signal }).catch(() => undefined)
          }
        },
      },
    ],
    async [Symbol.asyncDispose]() {
      await Promise.allSettled(Object.values(databases).map((each) => each[Symbol.asyncDispose]()))
    },
  }
}

/** What is not known if the database is away: the page shows the other one all the same. */
async function databaseDisk(name: string, url: string, database: Database): Promise<DatabaseDisk> {
  const server = shownServers(url)
  const size = 'SELECT pg_database_size(current_database())::float8 AS bytes'
  try {
    return await database.use(async (session) => {
      const [row] = await session.query<{ bytes: number }>('asking for the size of the database', size)
      return { name, server, bytes: row?.bytes ?? null, ...(await diskOf(session)) }
    })
  } catch (cause) {
    if (!(cause instanceof ConnectorError)) throw cause
    return { name, server, bytes: null, fileSystem: null, unseen: 'its server does not answer' }
  }
}
