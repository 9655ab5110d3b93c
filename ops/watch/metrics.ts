import { Counter, Gauge, type Registry } from 'prom-client'

interface WatchMetric {
  /** Labels beside `service`. */
  readonly labels: readonly string[]
  readonly means: string
}

const GROUP = ['cluster_name', 'group'] as const
const GROUP_PARTITION = [...GROUP, 'topic', 'partition'] as const

/**
 * Every metric of `millrace watch`, in the order of docs/metrics.md, which is generated from it.
 * Those that begin with `kafka_` have the names, labels and meanings of kafka-lag-exporter. A name
 * that ends in `_total` is a counter, another one a gauge.
 */
export const WATCH_METRICS = {
  kafka_consumergroup_group_offset: {
    labels: GROUP_PARTITION,
    means: 'Offset from which the group goes on: of the database for those that keep it there. Absent if the group never committed.',
  },
  kafka_consumergroup_group_lag: { labels: GROUP_PARTITION, means: 'Records that the group has not read.' },
  kafka_consumergroup_group_lag_seconds: {
    labels: GROUP_PARTITION,
    means: 'Age of the next record that the group has not read, by its own timestamp; 0 if there is none.',
  },
  kafka_consumergroup_group_max_lag: { labels: GROUP, means: 'Highest lag of its partitions.' },
  kafka_consumergroup_group_max_lag_seconds: { labels: GROUP, means: 'Age of the oldest record that the group has not read.' },
  kafka_consumergroup_group_sum_lag: { labels: GROUP, means: 'Sum of the lags of its partitions.' },
  kafka_consumergroup_group_topic_sum_lag: { labels: [...GROUP, 'topic'], means: 'The same of one topic.' },
  kafka_partition_latest_offset: { labels: ['cluster_name', 'topic', 'partition'], means: 'Offset that the next record will have.' },
  millrace_group_members: { labels: ['group'], means: 'Members of the consumer group.' },
  millrace_group_catch_up_seconds: {
    labels: ['group'],
    means: 'Until nothing is left, if all goes on as it does; NaN if it never ends, or is not known.',
  },
  millrace_group_status: {
    labels: ['group', 'status'],
    means:
      "1 for the status that the group has, 0 for the others, in Burrow's words: `OK`; `WARN` if it stays behind or falls further behind; `STALL` if it is running and reads nothing of what waits; `STOP` if nobody is in it; `UNKNOWN`.",
  },
  millrace_source_up: {
    labels: ['source'],
    means:
      'Whether `kafka`, the `broker`, the `telemetry` and the `app` database answered last time. 0: what would be from there is absent.',
  },
  millrace_broker_clients: { labels: ['state'], means: "The broker's sessions: `connected`, and `disconnected` ones that it keeps." },
  millrace_broker_publishes_total: {
    labels: ['direction'],
    means: 'Messages since the start of the broker: `received`, `sent`, `dropped` because a queue was full.',
  },
  millrace_broker_publish_bytes_total: { labels: ['direction'], means: 'Bytes of their payloads, `received` and `sent`.' },
  millrace_broker_stored_messages: { labels: [], means: 'Messages that the broker holds: queued, in flight and retained.' },
  millrace_broker_stored_bytes: { labels: [], means: 'Bytes of their payloads.' },
  millrace_broker_retained_messages: { labels: [], means: 'Retained ones among them; what the broker tells about itself counts.' },
  millrace_broker_memory_bytes: { labels: [], means: "The broker's memory, if it was built to count it." },
  millrace_broker_uptime_seconds: { labels: [], means: 'Time since the start of the broker.' },
  millrace_database_size_bytes: { labels: ['database'], means: 'Size of the database on its disk.' },
  millrace_database_partitions: { labels: ['database'], means: 'Partitions or chunks of `readings`, without the default partition.' },
  millrace_database_wal_bytes_total: {
    labels: ['database'],
    means: "The server's position in its log of changes: its rate is what the server writes for all its databases.",
  },
  millrace_database_connections: { labels: ['database'], means: 'Connections of clients to the server.' },
  millrace_database_max_connections: { labels: ['database'], means: 'The most that the server takes.' },
  millrace_database_oldest_transaction_seconds: {
    labels: ['database'],
    means: 'Age of the oldest open transaction of a client in this database; NaN if the role may not see it.',
  },
  millrace_database_transaction_id_age: {
    labels: ['database'],
    means: 'Transactions since the oldest row that is not frozen. At two thousand millions the server stops taking writes.',
  },
  millrace_database_autovacuum_freeze_max_age: { labels: ['database'], means: 'Age at which autovacuum freezes, whatever else it does.' },
} as const satisfies Readonly<Record<`${'kafka' | 'millrace'}_${string}`, WatchMetric>>

export type WatchMetricName = keyof typeof WATCH_METRICS

/** One figure of a metric. */
export interface Figure {
  readonly name: WatchMetricName
  /** Values of its labels, in their order. */
  readonly values: readonly string[]
  readonly value: number
}

export function figure(name: WatchMetricName, values: readonly string[], value: number): Figure {
  return { name, values, value }
}

/** Adds the metrics to a registry. What `read` does not give is absent. */
export function reportFigures(registry: Registry, read: () => readonly Figure[]): void {
  for (const [name, { labels, means: help }] of Object.entries<WatchMetric>(WATCH_METRICS)) {
    const shape = { name, help, labelNames: [...labels], registers: [registry] }
    // A metric without labels is 0 in prom-client until it is set: it is removed.
    const now = (): readonly (readonly [Record<string, string>, number])[] =>
      read()
        .filter((each) => each.name === name)
        .map(({ values, value }) => [Object.fromEntries(labels.map((label, index) => [label, values[index] ?? ''])), value])
    if (name.endsWith('_total'))
      new Counter({
        ...shape,
        collect() {
          this.reset()
          if (labels.length === 0) this.remove()
          for (const [values, value] of now()) this.inc(values, value)
        },
      })
    else
      new Gauge({
        ...shape,
        collect() {
          this.reset()
          if (labels.length === 0) this.remove()
          for (const [values, value] of now()) this.set(values, value)
        },
      })
  }
}
