import { dirname, resolve } from 'node:path'
import type { z } from 'zod'
import type { RollupRetention } from '../connectors/postgres/rollups.ts'
import { parseRoutes, type Route } from '../processors/bridge/routes.ts'
import type { ArchiveSettings } from '../processors/store/archive-plan.ts'
import type { PartitionSettings } from '../processors/store/partition-plan.ts'
import { ownQuantities } from '../schemas/own-quantities.ts'
import type { BreakerLimits } from './breaker.ts'
import { checkSettings, ENVIRONMENT } from './checked-settings.ts'
import { contradictions } from './config-contradictions.ts'
import { ConfigError, readConfigFile } from './config-file.ts'
import { DEFAULT_TELEMETRY, shape } from './config-shape.ts'
import { type DialectEntry, dialectEntries } from './dialect-entries.ts'
import { environment } from './environment.ts'
import { withPasswords } from './password-files.ts'
import { PasswordFileError } from './secret-files.ts'

export { ConfigError }

const file = shape.check((context) => {
  for (const [path, message, value] of contradictions(context.value))
    context.issues.push({ code: 'custom', path: [...path], message, input: value })
})

export type Config = Omit<z.output<typeof file>, 'dialects'> & {
  /** Its path, whether it is there or not. */
  readonly file: string
  readonly env: z.output<typeof environment>
  /** In order: if two take a topic, the first does. */
  readonly dialects: readonly DialectEntry[]
}

const CARRIES = { telemetry: 'frames', raw: 'raw', status: 'status' } as const

/**
 * What the bridge subscribes to, and where it goes.
 * @throws RangeError that names the route; `loadConfig` has checked the routes before
 */
export function bridgeRoutes({ bridge: { routes } }: Pick<Config, 'bridge'>): readonly Route[] {
  const list = Array.isArray(routes) ? routes : [{ telemetry: routes.telemetry }, { status: routes.status }]
  return parseRoutes(
    list.flatMap((each) =>
      Object.entries(each).map(([kind, pattern]) => ({ pattern: pattern ?? '', carries: CARRIES[kind as keyof typeof CARRIES] })),
    ),
  )
}

export function breakerLimits({ devices_turned_bad: limits }: Config): BreakerLimits {
  return { share: limits.most_share, minimumDevices: limits.minimum_devices, longestMs: limits.longest_minutes * 60_000 }
}

/** How the partitions of `readings` are kept. */
export function partitionSettings({ storage }: Pick<Config, 'storage'>): PartitionSettings {
  return { daysAhead: storage.days_ahead, retentionDays: storage.retention_days.readings, columnstoreDays: storage.columnstore_after_days }
}

/** How long roll-ups are kept. */
export function rollupRetention({ storage }: Pick<Config, 'storage'>): RollupRetention {
  return { hourlyDays: storage.retention_days.readings_hourly, dailyDays: storage.retention_days.readings_daily }
}

/** When days of `readings` go to the archive, and from it; undefined without an archive. */
export function archiveSettings({ storage }: Pick<Config, 'storage'>): ArchiveSettings | undefined {
  return storage.archive === undefined
    ? undefined
    : { afterDays: storage.archive_after_days, retentionDays: storage.archive_retention_days }
}

/**
 * Reads and checks everything before anything is dialled.
 * @throws ConfigError
 */
export function loadConfig(env: NodeJS.ProcessEnv, path: string | undefined): Config {
  const { path: chosen, content } = readConfigFile(env, path)
  const settings = checkSettings(chosen, file, content)
  if (settings.quantities !== undefined && ownQuantities().length === 0)
    throw new Error(`${chosen}: the quantities of ${settings.quantities} were not declared before the program was loaded`)
  within(`${chosen}: bridge: routes`, () => bridgeRoutes(settings))
  const processors = settings.processors.map((entry) => (entry.includes('/') ? resolve(dirname(chosen), entry) : entry))
  const dialects = within(`${chosen}: dialects`, () => dialectEntries(dirname(chosen), settings.dialects, telemetryTopics(settings)))
  const placeOf = (given: string): string => (given.startsWith('s3://') ? given : resolve(dirname(chosen), given))
  const { archive, archive_frames: frames } = settings.storage
  const storage = {
    ...settings.storage,
    ...(archive === undefined ? {} : { archive: placeOf(archive) }),
    ...(frames === undefined ? {} : { archive_frames: placeOf(frames) }),
  }
  return {
    ...settings,
    storage,
    file: chosen,
    processors,
    dialects,
    env: checkSettings(ENVIRONMENT, environment, passwords(withoutEmpty(env))),
  }
}

/** Topics of frames, if they are others than the default: JSON may come wherever frames may. */
function telemetryTopics(settings: Pick<Config, 'bridge'>): readonly string[] | undefined {
  const topics = bridgeRoutes(settings).flatMap(({ carries, pattern }) => (carries === 'frames' ? [pattern] : []))
  return topics.length === 0 || (topics.length === 1 && topics[0] === DEFAULT_TELEMETRY) ? undefined : topics
}

/** @throws ConfigError that names the place in the file */
function within<Value>(place: string, make: () => Value): Value {
  try {
    return make()
  } catch (cause) {
    if (!(cause instanceof RangeError)) throw cause
    throw new ConfigError(`${place}: ${cause.message}`, { cause })
  }
}

function passwords(env: NodeJS.ProcessEnv): NodeJS.ProcessEnv {
  try {
    return withPasswords(env)
  } catch (cause) {
    if (!(cause instanceof PasswordFileError)) throw cause
    throw new ConfigError(cause.message, { cause })
  }
}

/** An empty variable means an unset one, as in `MQTT_USERNAME= millrace bridge`. */
function withoutEmpty(env: NodeJS.ProcessEnv): NodeJS.ProcessEnv {
  return Object.fromEntries(Object.entries(env).filter(([, value]) => value !== ''))
}
