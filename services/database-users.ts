import type { DeclaredService } from '../processors/declaration.ts'
import type { Config } from './config.ts'
import { kafkaLogin, kafkaUserOf } from './kafka-users.ts'

/** Whose role a service has in the databases (docs/roles.md). */
export type DatabaseUser = 'store' | 'processes' | 'watch' | 'reader'

/**
 * The addresses of a service are those of its user. Whoever is given no address of its own has the
 * one of all.
 */
export function asUserOf({ kind }: { readonly kind: DeclaredService['kind'] | 'watch' | 'reader' }, config: Config): Config {
  const { env } = config
  const addresses: Readonly<Record<DatabaseUser, readonly [string | undefined, string | undefined]>> = {
    store: [env.TELEMETRY_STORE_URL, env.APP_STORE_URL],
    processes: [env.TELEMETRY_PROCESSES_URL, env.APP_PROCESSES_URL],
    watch: [env.TELEMETRY_WATCH_URL, env.APP_WATCH_URL],
    reader: [env.TELEMETRY_READER_URL, env.APP_READER_URL],
  }
  const [telemetry, app] = addresses[kind === 'store' || kind === 'watch' || kind === 'reader' ? kind : 'processes']
  return {
    ...config,
    env: {
      ...env,
      ...(kind === 'reader' ? {} : kafkaLogin(config, kafkaUserOf(kind))),
      TELEMETRY_DATABASE_URL: telemetry ?? env.TELEMETRY_DATABASE_URL,
      APP_DATABASE_URL: app ?? env.APP_DATABASE_URL,
      // Before the address that stands for it is replaced.
      TELEMETRY_OWNER_URL: telemetryOwner(config),
    },
  }
}

/** The owner of the telemetry database, who makes and drops partitions. */
export function telemetryOwner({ env }: Pick<Config, 'env'>): string {
  return env.TELEMETRY_OWNER_URL ?? env.TELEMETRY_DATABASE_URL
}

export function appOwner({ env }: Pick<Config, 'env'>): string {
  return env.APP_OWNER_URL ?? env.APP_DATABASE_URL
}
