import { randomBytes } from 'node:crypto'
import { systemClock } from '../../connectors/clock.ts'
import { type Listener, listen } from '../../connectors/mqtt/listen.ts'
import { createDatabase } from '../../connectors/postgres/database.ts'
import { databaseState } from '../../connectors/postgres/database-state.ts'
import type { Config } from '../../services/config.ts'
import type { Service, ServiceContext } from '../../services/service.ts'
import { lagJson } from '../lag/lag-table.ts'
import { type LagReport, openLagWatch } from '../lag/lag-watch.ts'
import { BROKER_TOPICS, brokerFigure } from './broker-figures.ts'
import { databaseFigures } from './database-figures.ts'
import { groupFigures } from './group-figures.ts'
import { type Figure, figure, reportFigures } from './metrics.ts'
import { type Known, Sources } from './sources.ts'

/** Rates are over so many looks, so that a commit once a second is no jump. */
const LOOKS = 4
/** Rates are not over less, however often it looks. */
const LEAST_WINDOW_MS = 15_000
const STATEMENT_MS = 2_000
const DATABASES = ['telemetry', 'app'] as const

/**
 * Looks at consumer groups, broker and databases once in an interval, however often it is asked,
 * and shows what it saw as metrics and at /lag.
 */
export async function watchService({ config, log, signal, metrics, health, pages }: ServiceContext): Promise<Service> {
  const intervalMs = 1_000 * config.watch.interval_seconds
  const stop = new AbortController()
  const stopped = AbortSignal.any([signal, stop.signal])
  const sources = new Sources({ intervalMs, clock: systemClock, log, health })
  const lags = await openLagWatch(config, Math.max(LEAST_WINDOW_MS, LOOKS * intervalMs))
  const urls = { telemetry: config.env.TELEMETRY_DATABASE_URL, app: config.env.APP_DATABASE_URL }
  const databases = DATABASES.map((name) => ({
    name,
    database: createDatabase({ url: urls[name], applicationName: 'millrace watch', statementTimeoutMs: STATEMENT_MS }),
  }))
  let report: LagReport | undefined
  const broker = new Map<string, Figure>()

  const kafka = sources.watched('kafka', async () => {
    report = await lags.look()
    return groupFigures(report, config.watch.cluster_name)
  })
  const ofDatabases = databases.map(({ name, database }) =>
    sources.watched(name, async () => databaseFigures(name, await database.use(databaseState))),
  )
  let listener: Listener | undefined
  const brokerTold = sources.watched('broker', async () => {
    listener ??= await listenToBroker(config, broker, () => {
      listener = undefined
      broker.clear()
    })
    return [...broker.values()]
  })
  const all: readonly Known[] = [kafka, brokerTold, ...ofDatabases]

  pages.add('/lag', () => {
    if (report === undefined || !kafka.up) throw new Error('Kafka has not been asked, or does not answer')
    return lagJson(report)
  })
  reportFigures(metrics, () => all.flatMap((known) => [figure('millrace_source_up', [known.source], known.up ? 1 : 0), ...known.figures()]))
  const loops = all.map((known) => known.keepLooking(stopped))
  return {
    // Whatever is away, it goes on looking.
    failed: new Promise<never>(() => undefined),
    async stop() {
      stop.abort()
      await Promise.allSettled(loops)
      await Promise.allSettled([
        lags[Symbol.asyncDispose](),
        listener?.[Symbol.asyncDispose](),
        ...databases.map(({ database }) => database[Symbol.asyncDispose]()),
      ])
    },
  }
}

/** Keeps what the broker says of itself, until the connection ends. */
async function listenToBroker({ env }: Config, figures: Map<string, Figure>, ended: () => void): Promise<Listener> {
  const listener = await listen({
    url: env.MQTT_URL,
    tls: { caFile: env.MQTT_CA_FILE, certFile: env.MQTT_WATCH_CERT_FILE, keyFile: env.MQTT_WATCH_KEY_FILE },
    username: env.MQTT_WATCH_USERNAME,
    password: env.MQTT_WATCH_PASSWORD,
    clientId: `${env.MQTT_WATCH_USERNAME}-${randomBytes(4).toString('hex')}`,
    filter: BROKER_TOPICS,
    onPublish({ topic, payload }) {
      const said = brokerFigure(topic, payload)
      if (said !== undefined) figures.set(topic, said)
    },
  })
  void listener.ended.then(ended)
  return listener
}
