import type { BrokerSettings, ClusterSettings } from '../../../connectors/kafka/broker-settings.ts'
import type { Facts } from '../facts/facts.ts'
import { bytes, type Finding, finding, GIB, type Rule, unknown } from '../rule.ts'

const HOUR_MS = 3_600_000
const WEEK_MINUTES = 7 * 24 * 60
const MOST_HEAP_BYTES = 8 * GIB
const HEAP_SHARE = 0.25
/** A power cut may cost so much of what one broker alone has acknowledged. */
const MOST_UNFLUSHED_MS = 1_000

type Cluster = ClusterSettings & { readonly local: boolean }

function ofCluster(judge: (cluster: Cluster, facts: Facts) => readonly Finding[]): Rule['judge'] {
  return (facts) => (facts.kafka.tag === 'unseen' ? [] : judge(facts.kafka.value, facts))
}

function perBroker(judge: (broker: BrokerSettings, facts: Facts, cluster: Cluster) => Finding | undefined): Rule['judge'] {
  return ofCluster((cluster, facts) =>
    cluster.brokers.flatMap((broker) => {
      const said = judge(broker, facts, cluster)
      return said === undefined ? [] : { subject: `broker ${broker.id}`, ...said }
    }),
  )
}

/** Settings of a topic, as a command. */
function alterTopic(topic: string | undefined, setting: string): string {
  return `kafka-configs.sh --bootstrap-server $KAFKA_BROKERS --alter --entity-type topics --entity-name ${topic} --add-config ${setting}`
}

/** The file is the last argument of a broker's command line, if one runs here. */
function inFile({ system: { daemons } }: Facts, line: string): string {
  const file = daemons.find(({ what }) => what === 'kafka')?.command.at(-1) ?? 'server.properties'
  return `echo '${line}' >> ${file}   # of each broker, then restart them one after the other`
}

/** Topics that a setting holds for alike, as one name. */
function among(topics: readonly { readonly topic: string }[], all: number): string {
  if (topics.length === all) return 'all topics'
  return topics.length <= 3 ? topics.map(({ topic }) => topic).join(', ') : `${topics.length} of ${all} topics`
}

export const kafkaRules: readonly Rule[] = [
  {
    id: 'kafka-log-dirs',
    why: 'The example configuration that Kafka comes with keeps its log in /tmp, which the next boot empties.',
    judge: perBroker(({ values }, facts) => {
      const found = values.get('log.dirs') ?? values.get('log.dir')
      return found === undefined
        ? undefined
        : finding(!/(?:^|,)\s*\/(?:tmp|var\/tmp|dev\/shm)\//.test(found), 'fault', {
            found,
            expected: 'folders that outlive a boot',
            command: inFile(facts, 'log.dirs=/var/lib/kafka'),
          })
    }),
  },
  {
    id: 'kafka-retention-space',
    why: "Kafka deletes by age or by size only: if neither comes before the disk is full, the broker stops and devices' frames pile up in MQTT's.",
    judge: ofCluster(({ topics }, facts) => {
      const space = facts.places.find(({ use }) => use === 'kafka')?.space
      const unbounded = topics.filter(({ values }) => Number(values.get('retention.bytes') ?? -1) < 0)
      const expected = 'less than the disk has'
      if (unbounded.length > 0)
        return [
          finding(false, 'advice', {
            found: `${unbounded.length} of ${topics.length} topics are bounded by time alone`,
            expected: 'a size for each partition as well (retention.bytes)',
            command: inFile(facts, 'log.retention.bytes=10737418240'),
          }),
        ]
      if (space === undefined) return [unknown('the disk of its log is not seen', expected)]
      const most = topics.reduce((sum, { partitions, values }) => sum + partitions * Number(values.get('retention.bytes')), 0)
      const partitions = topics.reduce((sum, each) => sum + each.partitions, 0)
      return [
        finding(most <= space.totalBytes, 'advice', {
          found: `topics may grow to ${bytes(most)} on ${bytes(space.totalBytes)}`,
          expected,
          command: inFile(facts, `log.retention.bytes=${Math.floor((space.totalBytes * 0.7) / Math.max(1, partitions))}`),
        }),
      ]
    }),
  },
  {
    id: 'kafka-replication',
    why: 'With one copy the disk of one broker is all there is between a device that was told "got it" and the store.',
    judge: ofCluster(({ brokers, topics }) => {
      if (topics.length === 0) return []
      const thin = topics.filter(({ replicas }) => replicas < 3)
      return [
        finding(thin.length === 0, 'advice', {
          found:
            thin.length === 0
              ? 'at least 3 copies'
              : `${among(thin, topics.length)}: ${Math.min(...thin.map(({ replicas }) => replicas))}, on ${brokers.length} brokers`,
          expected: '3 copies on 3 brokers',
          command: 'three brokers before `millrace migrate`; existing topics: kafka-reassign-partitions.sh (docs/configuration.md)',
        }),
      ]
    }),
  },
  {
    id: 'kafka-min-isr',
    why: 'acks=all means all copies that are in step: without a minimum that may be one, and with as many as there are copies one broker that is away stops the line.',
    judge: ofCluster(({ topics }) => {
      const copied = topics.filter(({ replicas }) => replicas > 1)
      if (copied.length === 0) return []
      const least = ({ values }: (typeof topics)[number]): number => Number(values.get('min.insync.replicas') ?? 1)
      const wrong = copied.filter((topic) => least(topic) < 2 || least(topic) >= topic.replicas)
      return [
        finding(wrong.length === 0, 'fault', {
          found:
            wrong.length === 0
              ? 'at least 2, fewer than copies'
              : wrong
                  .map((topic) => `${topic.topic}: ${least(topic)} of ${topic.replicas}`)
                  .slice(0, 3)
                  .join(', '),
          expected: '2 of 3',
          command: alterTopic(wrong[0]?.topic, 'min.insync.replicas=2'),
        }),
      ]
    }),
  },
  {
    id: 'kafka-message-bytes',
    why: "A dead letter keeps a payload whole: if a topic takes less than the broker lets through, one device's large message stops its partition.",
    judge: ofCluster(({ topics }, { workload }) => {
      if (topics.length === 0) return []
      const limit = (values: ReadonlyMap<string, string>): number => Number(values.get('max.message.bytes') ?? 0)
      // Topics of positions and clocks hold nothing that a device sent.
      const small = topics.filter(({ values, partitions }) => partitions > 1 && limit(values) < workload.maxMessageBytes)
      return [
        finding(small.length === 0, 'fault', {
          found:
            small.length === 0
              ? `at least ${bytes(workload.maxMessageBytes)}`
              : `${among(small, topics.length)}: ${bytes(Math.min(...small.map(({ values }) => limit(values))))}`,
          expected: `topics.max_message_bytes, ${bytes(workload.maxMessageBytes)}`,
          command: alterTopic(small[0]?.topic, `max.message.bytes=${workload.maxMessageBytes}`),
        }),
      ]
    }),
  },
  {
    id: 'kafka-unclean-election',
    why: 'A copy that was behind becomes the log, and what only the others had is gone though it was acknowledged.',
    judge: ofCluster(({ topics }, facts) => {
      const unclean = topics.filter(({ values }) => values.get('unclean.leader.election.enable') === 'true')
      return [
        finding(unclean.length === 0, 'fault', {
          found: unclean.length === 0 ? 'false' : `true: ${among(unclean, topics.length)}`,
          expected: 'false',
          command: inFile(facts, 'unclean.leader.election.enable=false'),
        }),
      ]
    }),
  },
  {
    id: 'kafka-flush',
    why: 'Kafka acknowledges from the page cache: copies on other machines make that safe, and a single broker loses at a power cut what it has not flushed.',
    judge: perBroker(({ values }, facts, { brokers }) => {
      const ms = Number(values.get('log.flush.interval.ms') ?? Number.POSITIVE_INFINITY)
      const messages = Number(values.get('log.flush.interval.messages') ?? Number.POSITIVE_INFINITY)
      if (brokers.length > 1)
        return finding(messages > 1_000, 'advice', {
          found: `each ${messages} messages`,
          expected: 'by the system, as the copies are the safety',
          command: 'take log.flush.interval.messages out of server.properties',
        })
      const bounded = ms > 0 && ms <= MOST_UNFLUSHED_MS
      return finding(bounded, 'advice', {
        found: bounded ? `each ${ms} ms` : 'when the system likes, on a single broker',
        expected: `within ${MOST_UNFLUSHED_MS} ms on a single broker`,
        command: inFile(facts, 'log.flush.interval.ms=1000'),
      })
    }),
  },
  {
    id: 'kafka-auto-create',
    why: 'A mistyped name becomes a topic with one partition, which nobody reads and which fails nowhere.',
    judge: perBroker(({ values }, facts) => {
      const found = values.get('auto.create.topics.enable')
      return found === undefined
        ? undefined
        : finding(found === 'false', 'advice', { found, expected: 'false', command: inFile(facts, 'auto.create.topics.enable=false') })
    }),
  },
  {
    id: 'kafka-offsets-retention',
    why: 'A processor that was stopped for longer has lost its place, and begins at the oldest record that there is.',
    judge: ofCluster(({ brokers }, facts) => {
      const { workload } = facts
      const least = Math.max(WEEK_MINUTES, workload.retentionHours * 60)
      return brokers.flatMap(({ id, values }) => {
        const found = Number(values.get('offsets.retention.minutes') ?? Number.NaN)
        if (Number.isNaN(found)) return []
        return finding(found >= least, 'advice', {
          subject: `broker ${id}`,
          found: `${found} min`,
          expected: `at least the retention of topics, ${least} min`,
          command: inFile(facts, `offsets.retention.minutes=${least}`),
        })
      })
    }),
  },
  {
    id: 'kafka-retention',
    why: 'It is how long the store, or the database under it, may be away before rows are lost.',
    judge: ofCluster(({ topics }, { workload }) => {
      const shorter = topics.filter(({ partitions, values }) => {
        const ms = Number(values.get('retention.ms') ?? -1)
        return partitions > 1 && ms >= 0 && ms < workload.retentionHours * HOUR_MS
      })
      return [
        finding(shorter.length === 0, 'advice', {
          found: shorter.length === 0 ? `at least ${workload.retentionHours} h` : `shorter: ${among(shorter, topics.length)}`,
          expected: `topics.retention_hours, ${workload.retentionHours} h`,
          command: alterTopic(shorter[0]?.topic, `retention.ms=${workload.retentionHours * HOUR_MS}`),
        }),
      ]
    }),
  },
  {
    id: 'kafka-heap',
    why: 'Records are served from the page cache and not from the heap: what the heap has, the cache lacks, and a large heap is collected for longer.',
    judge: ({ system: { daemons }, memory: { totalBytes } }: Facts) =>
      daemons
        .filter(({ what }) => what === 'kafka')
        .map(({ pid, command }) => {
          const heap = heapOf(command)
          const most = Math.min(MOST_HEAP_BYTES, Math.max(GIB, (totalBytes ?? 0) * HEAP_SHARE))
          const expected = `0.5 GiB to ${bytes(most)}`
          if (heap === undefined) return unknown('its command line has no -Xmx', expected, `PID ${pid}`)
          return finding(heap >= GIB / 2 && heap <= most, 'advice', {
            subject: `PID ${pid}`,
            found: bytes(heap),
            expected,
            command: "systemctl edit kafka   # [Service] Environment='KAFKA_HEAP_OPTS=-Xms1g -Xmx1g'",
          })
        }),
  },
]

function heapOf(command: readonly string[]): number | undefined {
  const [, count, unit] = command.map((part) => /^-Xmx(\d+)([kmgKMG])?$/.exec(part)).findLast((match) => match !== null) ?? []
  if (count === undefined) return undefined
  return Number(count) * ({ k: 1_024, m: 1_024 ** 2, g: GIB }[unit?.toLowerCase() ?? ''] ?? 1)
}
