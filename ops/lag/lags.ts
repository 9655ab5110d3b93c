import { openAdmin } from '../../connectors/kafka/client.ts'
import { committedOffsets } from '../../connectors/kafka/committed-positions.ts'
import { type KnownOffset, lagOf } from '../../connectors/kafka/lag.ts'
import { openTopicLogs } from '../../connectors/kafka/topic-logs.ts'
import { createDatabase, type Database } from '../../connectors/postgres/database.ts'
import { readPositions } from '../../connectors/postgres/offsets.ts'
import type { Config } from '../../services/config.ts'
import { ConfigError } from '../../services/config.ts'
import { type ConsumerGroup, consumerGroups } from '../../services/consumer-groups.ts'
import { kafkaClient } from '../../services/kafka.ts'
import { createLog } from '../../services/log.ts'
import type { GroupPartitionLag } from './lag-table.ts'

/** Says how far consumer groups are behind. */
export interface Lags extends AsyncDisposable {
  /**
   * The lag of every group on every partition, by the offsets that decide where the group goes on.
   */
  read(): Promise<readonly GroupPartitionLag[]>
  /**
   * The same as far as it can be known: the lag of a group whose offsets cannot be read is null,
   * and `unreadable` says why.
   */
  readKnown(): Promise<{ readonly lags: readonly GroupPartitionLag[]; readonly unreadable: ReadonlyMap<string, string> }>
}

export interface LagsOptions {
  readonly config: Config
  /** Which groups; if absent, all configured ones. */
  readonly groups?: readonly ConsumerGroup[]
  readonly statementTimeoutMs?: number
}

/** Dials Kafka and the databases when it is first asked. */
export async function openLags({ config, groups: chosen, statementTimeoutMs = 30_000 }: LagsOptions): Promise<Lags> {
  const kafka = kafkaClient(config, 'millrace-lag', createLog('lag'))
  const groups = chosen ?? (await consumerGroups(config))
  const logs = openTopicLogs(kafka)
  const admin = openAdmin(kafka)
  const database = (url: string): Database => createDatabase({ url, applicationName: 'millrace lag', statementTimeoutMs })
  const databases = { telemetry: database(config.env.TELEMETRY_DATABASE_URL), app: database(config.env.APP_DATABASE_URL) }

  async function known({ group, topic, offsets }: ConsumerGroup): Promise<ReadonlyMap<number, KnownOffset>> {
    if (offsets !== 'kafka') {
      const positions = await databases[offsets].use((session) => readPositions(session, group, topic))
      return new Map(positions.map((position) => [position.partition, position]))
    }
    return await committedOffsets(admin, group, topic)
  }

  /** Undefined offsets: they could not be read. */
  async function against(offsets: readonly (ReadonlyMap<number, KnownOffset> | undefined)[]): Promise<readonly GroupPartitionLag[]> {
    const names = [...new Set(groups.map(({ topic }) => topic))]
    const states = await logs.topics(names)
    const extents = new Map(await Promise.all(names.map(async (topic) => [topic, await logs.extents(topic)] as const)))
    return groups.flatMap(({ group, topic }, index) => {
      const id = states.get(topic)?.id
      if (id === undefined) throw new ConfigError(`Kafka has no topic ${topic}: run \`millrace migrate\``)
      const committed = offsets[index]
      return (extents.get(topic) ?? []).map((extent) => ({
        group,
        topic,
        partition: extent.partition,
        ...(committed === undefined
          ? { committed: null, end: extent.end, lag: null, gone: { tag: 'nothing' } as const }
          : lagOf(committed.get(extent.partition), extent, id)),
      }))
    })
  }

  // Offsets are read before the ends. Otherwise a group could seem to be beyond the end.
  return {
    read: async () => against(await Promise.all(groups.map(known))),
    async readKnown() {
      const unreadable = new Map<string, string>()
      const offsets = groups.map((group) =>
        known(group).catch((cause: unknown) => {
          unreadable.set(group.group, cause instanceof Error ? cause.message : String(cause))
          return undefined
        }),
      )
      return { lags: await against(await Promise.all(offsets)), unreadable }
    },
    async [Symbol.asyncDispose]() {
      await Promise.allSettled([
        admin[Symbol.asyncDispose](),
        logs[Symbol.asyncDispose](),
        ...Object.values(databases).map((each) => each[Symbol.asyncDispose]()),
      ])
    },
  }
}
