import type { DeclaredService } from '../processors/declaration.ts'
import type { Config } from './config.ts'

/** Whose user a service is in Kafka (docs/roles.md). The owner is for `millrace migrate`. */
export const KAFKA_USERS = ['owner', 'bridge', 'processors', 'continuity', 'store', 'watch'] as const
export type KafkaUser = (typeof KAFKA_USERS)[number]

export function kafkaUserOf(kind: DeclaredService['kind'] | 'watch'): KafkaUser {
  return kind === 'process' || kind === 'processor' ? 'processors' : kind
}

/** The name of a user in Kafka. */
export function kafkaUserName({ kafka }: Pick<Config, 'kafka'>, user: KafkaUser | 'operator'): string {
  return `${kafka.users}-${user}`
}

/** Name and password of a user, if it has a password of its own; otherwise those of all count. */
export function kafkaLogin(
  config: Pick<Config, 'kafka' | 'env'>,
  user: KafkaUser,
): { readonly KAFKA_USERNAME?: string; readonly KAFKA_PASSWORD?: string } {
  const { env } = config
  const passwords: Readonly<Record<KafkaUser, string | undefined>> = {
    owner: env.KAFKA_OWNER_PASSWORD,
    bridge: env.KAFKA_BRIDGE_PASSWORD,
    processors: env.KAFKA_PROCESSORS_PASSWORD,
    continuity: env.KAFKA_CONTINUITY_PASSWORD,
    store: env.KAFKA_STORE_PASSWORD,
    watch: env.KAFKA_WATCH_PASSWORD,
  }
  const password = passwords[user]
  return password === undefined ? {} : { KAFKA_USERNAME: kafkaUserName(config, user), KAFKA_PASSWORD: password }
}

/** The configuration of whoever makes topics and gives rights. */
export function asKafkaOwner(config: Config): Config {
  return { ...config, env: { ...config.env, ...kafkaLogin(config, 'owner') } }
}
