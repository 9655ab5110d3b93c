import { ConnectorError, type Position, type TopicState } from '../../connectors/contract.ts'
import { type KafkaAdmin, type KafkaClient, openAdmin } from '../../connectors/kafka/client.ts'
import { committedOffsets } from '../../connectors/kafka/committed-positions.ts'
import { type GroupMember, groupMembers } from '../../connectors/kafka/group-members.ts'
import { commitForStopped } from '../../connectors/kafka/stopped-group.ts'
import { openTopicLogs } from '../../connectors/kafka/topic-logs.ts'
import { offsetsAt } from '../../connectors/kafka/topics.ts'
import { createDatabase, type Database } from '../../connectors/postgres/database.ts'
import { type OwnedPosition, readOwnedPositions, rewindPositions } from '../../connectors/postgres/offsets.ts'
import { beginRewind, endRewind } from '../../connectors/postgres/rewind-log.ts'
import type { Topic } from '../../processors/contract.ts'
import type { DeclaredService } from '../../processors/declaration.ts'
import { type Config, ConfigError } from '../../services/config.ts'
import { appOwner, telemetryOwner } from '../../services/database-users.ts'
import { kafkaClient } from '../../services/kafka.ts'
import { createLog } from '../../services/log.ts'
import { type PartitionPlan, planPartition, type RewindTarget } from './plan.ts'

export interface RewindAsked {
  readonly target: RewindTarget
  /** Only this partition of each topic. */
  readonly partition: number | undefined
}

/** What a rewind would do. */
export interface RewindPlan {
  readonly partitions: readonly PartitionPlan[]
  /** Who is in the consumer group: while there is somebody, nothing is moved. */
  readonly members: readonly GroupMember[]
}

/** Moves the place of a stopped consumer back. */
export interface Rewind extends AsyncDisposable {
  plan(asked: RewindAsked): Promise<RewindPlan>
  /**
   * Moves what the plan moves: all of it, or nothing.
   * @param asked in words, for the audit
   * @param by who does it, for the audit
   * @throws ConnectorError `rewind-refused` if the consumer runs, or was moved since the plan
   */
  apply(plan: RewindPlan, asked: string, by: string): Promise<void>
}

/** @throws ConfigError if the service has no place in a topic */
export async function openRewind(config: Config, service: DeclaredService): Promise<Rewind> {
  if (service.reads.length === 0) throw new ConfigError(`${service.name} reads no topic: it has no place to move`)
  return new OpenRewind(config, service)
}

class OpenRewind implements Rewind {
  private readonly service: DeclaredService
  private readonly kafka: KafkaClient
  private readonly admin: KafkaAdmin
  private readonly logs: ReturnType<typeof openTopicLogs>
  private readonly app: Database
  /** Of the offsets, if a database decides. */
  private readonly database: Database | undefined
  /** As the plan found them. */
  private states: ReadonlyMap<Topic, TopicState> = new Map()
  private positions: readonly OwnedPosition[] = []

  constructor(config: Config, service: DeclaredService) {
    this.service = service
    this.kafka = kafkaClient(config, 'millrace-rewind', createLog('rewind'))
    this.admin = openAdmin(this.kafka)
    this.logs = openTopicLogs(this.kafka)
    const applicationName = 'millrace rewind'
    this.app = createDatabase({ url: appOwner(config), applicationName })
    this.database =
      service.offsets === 'telemetry'
        ? createDatabase({ url: telemetryOwner(config), applicationName })
        : service.offsets === 'app'
          ? this.app
          : undefined
  }

  async plan({ target, partition }: RewindAsked): Promise<RewindPlan> {
    const { reads } = this.service
    this.states = await this.logs.topics(reads)
    this.positions = (await Promise.all(reads.map((topic) => this.positionsOf(topic)))).flat()
    const partitions: PartitionPlan[] = []
    for (const topic of reads) {
      const state = this.states.get(topic)
      if (state === undefined) throw new ConfigError(`Kafka has no topic ${topic}: run \`millrace migrate\``)
      if (partition !== undefined && partition >= state.partitions)
        throw new ConfigError(`--partition: ${topic} has ${state.partitions} partitions, from 0: there is no ${partition}`)
      const times = target.tag === 'time' ? await offsetsAt(this.admin, topic, target.ms) : undefined
      for (const extent of await this.logs.extents(topic)) {
        if (partition !== undefined && extent.partition !== partition) continue
        if (target.tag === 'offset' && target.offset > extent.end)
          throw new ConfigError(`--to: ${topic}/${extent.partition} ends at ${extent.end}: there is no offset ${target.offset}`)
        const position = this.positions.find((each) => each.topic === topic && each.partition === extent.partition)
        const known = position?.topicId === state.id ? position.nextOffset : undefined
        partitions.push(planPartition({ topic, extent, position: known, atTime: times?.get(extent.partition) }, target))
      }
    }
    return {
      partitions: partitions.sort((a, b) => a.partition - b.partition || (a.topic < b.topic ? -1 : 1)),
      members: await this.members(),
    }
  }

  private async members(): Promise<readonly GroupMember[]> {
    const { name } = this.service
    return (await groupMembers(this.admin, [name])).get(name) ?? []
  }

  async apply({ partitions }: RewindPlan, asked: string, by: string): Promise<void> {
    const { name: consumer } = this.service
    const moves = partitions.flatMap((plan) => {
      if (plan.tag !== 'moves') return []
      const position = this.positions.find((each) => each.topic === plan.topic && each.partition === plan.partition)
      return position === undefined ? [] : [{ position, to: plan.to }]
    })
    if (moves.length === 0) return
    requireStopped(consumer, await this.members())
    const run = await this.app.use((session) =>
      beginRewind(session, {
        consumer,
        asked,
        by,
        positions: moves.map(({ position: { topic, partition, topicId, nextOffset: from }, to }) => ({
          topic,
          partition,
          topicId,
          from,
          to,
        })),
      }),
    )
    const end = (ending: 'moved' | 'refused' | 'failed'): Promise<void> => this.app.use((session) => endRewind(session, run, ending))
    let moved = false
    try {
      moved = await this.move(moves)
    } catch (cause) {
      await end('failed')
      throw cause
    }
    await end(moved ? 'moved' : 'refused')
    if (!moved) throw refused(`${consumer} was moved by somebody else meanwhile, or started: nothing was changed; ask again`)
  }

  /** False if the positions are not what they were when the plan was made. */
  private async move(moves: readonly { readonly position: OwnedPosition; readonly to: bigint }[]): Promise<boolean> {
    const { name: consumer } = this.service
    const positions: readonly Position[] = moves.map(({ position: { topic, partition }, to }) => ({
      topic,
      partition,
      nextOffset: to,
      leaderEpoch: -1,
    }))
    if (this.database !== undefined) {
      // An owner that Kafka does not see is fenced from here on: the epoch is another one.
      if (!(await this.database.use((session) => rewindPositions(session, consumer, moves)))) return false
      // For lag tools. Whoever has started meanwhile tells Kafka itself.
      await commitForStopped(this.kafka, consumer, positions, this.states).catch(() => undefined)
      return true
    }
    for (const { position } of moves) {
      const now = (await committedOffsets(this.admin, consumer, position.topic)).get(position.partition)
      if (now?.nextOffset !== position.nextOffset) return false
    }
    try {
      await commitForStopped(this.kafka, consumer, positions, this.states)
    } catch (cause) {
      // Kafka itself refuses if somebody has joined.
      if (cause instanceof ConnectorError && RUNNING.has(cause.code)) return false
      throw cause
    }
    return true
  }

  private async positionsOf(topic: Topic): Promise<readonly OwnedPosition[]> {
    const { name, offsets } = this.service
    if (this.database !== undefined) return await this.database.use((session) => readOwnedPositions(session, name, topic))
    if (offsets !== 'kafka') return []
    const id = this.states.get(topic)?.id ?? ''
    const committed = await committedOffsets(this.admin, name, topic)
    return [...committed].map(([partition, { nextOffset, leaderEpoch, topicId = id }]) => ({
      topic,
      partition,
      nextOffset,
      leaderEpoch,
      topicId,
      epoch: 0n,
    }))
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.allSettled([
      this.admin[Symbol.asyncDispose](),
      this.logs[Symbol.asyncDispose](),
      this.app[Symbol.asyncDispose](),
      this.database?.[Symbol.asyncDispose](),
    ])
  }
}

const RUNNING: ReadonlySet<string> = new Set(['KAFKA_UNKNOWN_MEMBER_ID', 'KAFKA_ILLEGAL_GENERATION', 'KAFKA_REBALANCE_IN_PROGRESS'])

/** @throws ConnectorError if there are members */
export function requireStopped(consumer: string, members: readonly GroupMember[]): void {
  if (members.length === 0) return
  const who = [...new Set(members.map(({ clientId, host }) => `${clientId} on ${host}`))].join(', ')
  throw refused(
    `${consumer} runs: ${members.length} members of its group (${who}). Stop it first; one that was killed leaves its group within kafka.session_timeout_ms`,
  )
}

function refused(why: string): ConnectorError {
  return new ConnectorError('rewind-refused', false, why)
}
