import { CLUSTER, type KafkaOperation, type KafkaRight } from '../connectors/kafka/rights.ts'
import { SCAN_GROUPS } from '../connectors/kafka/scan.ts'
import type { Topic } from '../processors/contract.ts'
import { type DeclaredService, deadTopics, writtenTopics } from '../processors/declaration.ts'
import { topics } from '../processors/topics.ts'
import type { Config } from './config.ts'
import { sharedTopics } from './kafka.ts'
import { type KafkaUser, kafkaUserName, kafkaUserOf } from './kafka-users.ts'

/**
 * What the users of a deployment may do in Kafka, and nothing else (docs/roles.md). It follows from
 * what the services declare, those of the user's own included.
 */
export function wantedRights(config: Pick<Config, 'kafka' | 'storage'>, services: readonly DeclaredService[]): readonly KafkaRight[] {
  const wanted = new Map<string, KafkaRight>()
  const allow = (
    user: KafkaUser | 'operator',
    resource: KafkaRight['resource'],
    names: readonly string[],
    ...operations: KafkaOperation[]
  ): void => {
    for (const name of names)
      for (const operation of operations) {
        const right = { user: kafkaUserName(config, user), resource, name, operation }
        wanted.set(Object.values(right).join(' '), right)
      }
  }
  for (const service of services) {
    const user = kafkaUserOf(service.kind)
    const written = [...service.writes.map(({ topic }) => topic), ...deadTopics([service])]
    // A limit of a topic is the most that a record may have: whoever writes asks for it. Read and
    // Write let one Describe as well.
    allow(user, 'topic', written, 'Write', 'DescribeConfigs')
    // What is read back by who wrote it, as the bridge's session, in one scan.
    const readBack = writtenTopics(service, 'latest')
    allow(user, 'topic', readBack, 'Read')
    if (readBack.length > 0) allow(user, 'group-prefix', [SCAN_GROUPS], 'Read', 'Delete')
    allow(user, 'topic', service.reads, 'Read', 'DescribeConfigs')
    if (service.reads.length > 0) allow(user, 'group', [service.name], 'Read')
    // Whether the bridge forwards, and how far the processors before it are.
    if (service.kind === 'process') allow(user, 'topic', [topics.pulse, ...upstream(service, services)], 'Describe')
  }
  if (config.storage.archive_frames !== undefined) allow('store', 'topic', [topics.frames, topics.raw], 'Describe', 'DescribeConfigs')
  // Of the first record that is not read, the time.
  allow('watch', 'topic', sharedTopics(services), 'Read')
  allow('watch', 'topic', [topics.pulse, topics.clock], 'Describe')
  allow(
    'watch',
    'group',
    services.filter(({ reads }) => reads.length > 0).map(({ name }) => name),
    'Describe',
  )
  // Commands copy into topics that they make, and set what groups have read. They change no rights.
  allow('operator', 'topic', ['*'], 'Read', 'Write', 'Create', 'Delete', 'Alter', 'DescribeConfigs')
  allow('operator', 'group', ['*'], 'Read', 'Delete')
  allow('operator', 'cluster', [CLUSTER], 'Describe')
  return [...wanted.values()]
}

/** Topics of the processors that write what a process reads. */
function upstream({ reads }: DeclaredService, services: readonly DeclaredService[]): readonly Topic[] {
  return services
    .filter(({ kind, writes }) => kind === 'processor' && writes.some(({ topic }) => reads.includes(topic)))
    .flatMap((service) => service.reads)
}

/** A right as the command of Kafka's own that gives it. */
export function rightCommand({ user, resource, name, operation }: KafkaRight): string {
  const where = {
    cluster: '--cluster',
    topic: `--topic '${name}'`,
    group: `--group '${name}'`,
    'group-prefix': `--group '${name}' --resource-pattern-type prefixed`,
  }[resource]
  return `kafka-acls.sh --bootstrap-server "$KAFKA_BROKERS" --command-config admin.properties --add --allow-principal User:${user} --operation ${operation} ${where}`
}
