import { Counter, collectDefaultMetrics, Gauge, type Metric, type Registry } from 'prom-client'
import type { DeclaredService } from '../processors/declaration.ts'
import type { Distribution } from './distribution.ts'

/** Of services, and of what watches them. */
type Kind = DeclaredService['kind'] | 'watch'

interface MetricSpec {
  /** Kinds of services that have it: all of these, and no other. */
  readonly of: readonly Kind[]
  /** Labels beside `service`: each has a closed list of values. */
  readonly labels?: readonly [string] | readonly [string, string]
  /** A histogram of durations. It has one label. */
  readonly histogram?: true
  readonly means: string
}

const CONSUMERS = ['processor', 'process', 'continuity', 'store'] as const
const REFUSING = ['bridge', 'processor', 'process', 'store'] as const
const IN_DATABASE = ['process', 'continuity', 'store'] as const
const ALL = ['bridge', ...CONSUMERS] as const
const EACH = [...ALL, 'watch'] as const

/**
 * Every metric of Millrace's own, in the order of docs/metrics.md, which is generated from it. A
 * name that ends in `_total` is a counter, another one a gauge, or a histogram if it says so.
 */
export const METRICS = {
  millrace_healthy: { of: EACH, means: '1 if /health says that nothing is wrong, else 0.' },
  millrace_ignored_schemas: { of: ALL, means: 'Entries of the registry that do not count: the log has said why.' },
  millrace_rejected_total: {
    of: REFUSING,
    labels: ['reason'],
    means: 'Records, or messages of MQTT, that were refused: once for each reason. They are in dead letters.',
  },
  millrace_dropped_total: {
    of: ['bridge', 'processor', 'process'],
    labels: ['reason'],
    means: 'Inputs (messages of MQTT, records, samples) that were left out on purpose. There is no dead letter of them.',
  },
  millrace_sent_bytes_total: { of: REFUSING, means: 'Bytes that Kafka acknowledged.' },
  millrace_send_retries_total: { of: REFUSING, means: 'Requests to Kafka that had to be sent again.' },
  millrace_unkept_offsets_total: { of: REFUSING, means: 'Offsets that Kafka had acknowledged to this process and no longer has.' },

  millrace_records_total: { of: CONSUMERS, means: 'Records taken from its topics. One that is read again counts again.' },
  millrace_rebalances_total: { of: CONSUMERS, means: 'Times that partitions were assigned.' },
  millrace_stage_seconds_total: {
    of: CONSUMERS,
    labels: ['stage'],
    means:
      'Time spent on batches: `lookups`; `handling` them; `sending`, waiting for Kafka to acknowledge; `database`, in transactions, within which business processes handle. What is left of a second is waiting for records.',
  },
  millrace_lost_offsets_total: { of: CONSUMERS, means: 'Records that retention deleted before they were read.' },
  millrace_truncations_total: { of: CONSUMERS, means: "Times that Kafka's log was found cut below what was read." },
  millrace_truncated_offsets_total: { of: CONSUMERS, means: "Offsets that were read and are no longer in Kafka's log." },
  millrace_recreated_partitions_total: { of: CONSUMERS, means: 'Partitions begun anew because their topic was recreated.' },
  millrace_referenced_records_total: {
    of: ['processor', 'process', 'store'],
    means: 'Refused records of which a dead letter keeps only the offset.',
  },
  millrace_commits_total: { of: IN_DATABASE, means: 'Transactions.' },
  millrace_commit_retries_total: { of: ['process', 'store'], means: 'Commits that failed and were tried again.' },
  millrace_fenced_commits_total: { of: IN_DATABASE, means: 'Commits refused because another owner had a partition.' },

  millrace_outbox_sent_total: {
    of: ['process'],
    means: 'Records of its outbox that Kafka acknowledged. One that is sent again counts again.',
  },

  millrace_webhook_messages_total: {
    of: ['process'],
    labels: ['outcome'],
    means:
      'Messages to webhooks: `delivered`; `retried` for each attempt that failed; `failed` for good. `expired` had failed 30 days before and were deleted; `removed` were deleted with their webhook.',
  },

  millrace_forwarded_messages_total: {
    of: ['bridge'],
    labels: ['kind'],
    means: 'Messages forwarded to Kafka: `frame`; `raw` for a dialect; `status` for births, last wills and other states.',
  },
  millrace_unknown_topics: {
    of: ['bridge'],
    means: 'Topics, or groups of them, that no route and no dialect takes: `millrace topics unknown` lists them.',
  },
  millrace_payload_bytes_total: { of: ['bridge'], means: 'Bytes of all messages received.' },
  millrace_pubacks_total: { of: ['bridge'], means: 'Messages acknowledged to the broker.' },
  millrace_outstanding_messages: { of: ['bridge'], means: 'Messages received and not yet acknowledged.' },
  millrace_outstanding_bytes: { of: ['bridge'], means: 'Bytes received and not yet acknowledged.' },
  millrace_delayed_messages_total: { of: ['bridge'], means: "Messages that waited for their device's rate limit." },
  millrace_parked_messages_total: { of: ['bridge'], means: 'Messages that waited for their schema.' },
  millrace_discarded_messages_total: {
    of: ['bridge'],
    means:
      "Messages whose bytes no dead letter keeps: over their device's rate, or of unknown topics, and beyond the bounds of `dead_letters`.",
  },
  millrace_broker_connected: { of: ['bridge'], means: '1 if the session is up, else 0.' },
  millrace_broker_connections_total: { of: ['bridge'], means: 'Sessions opened or resumed.' },
  millrace_lost_sessions_total: {
    of: ['bridge'],
    means: 'Sessions that the broker should still have had, and had not: what it had queued is gone.',
  },
  millrace_session_takeovers_total: { of: ['bridge'], means: "Times that another client connected with the bridge's client ID." },
  millrace_broker_restarts_total: {
    of: ['bridge'],
    means: 'Connections that the broker ended without a reason, because it was restarted.',
  },
  millrace_unexplained_endings_total: {
    of: ['bridge'],
    means:
      "Connections that the broker ended without a reason, and took again at once: it was restarted, or another client used the bridge's client ID. The broker does not publish its uptime.",
  },
  millrace_broker_dropped_messages_total: {
    of: ['bridge'],
    means: 'Messages that the broker says it has dropped because queues were full, since the last bridge looked.',
  },
  millrace_clock_ahead_seconds: {
    of: ['bridge'],
    labels: ['reference'],
    means: "By how much this machine's clock is ahead of that of `kafka`, and of the app's `database`; NaN while that is not known.",
  },

  millrace_emitted_records_total: { of: ['processor'], means: 'Records emitted to the declared outputs.' },
  millrace_rejected_values_total: {
    of: ['processor'],
    labels: ['reason', 'quantity'],
    means: 'Refused values of samples whose other quantities went on; `other` stands for all names that are no quantity.',
  },
  millrace_dialect_version: { of: ['processor'], labels: ['dialect'], means: 'Version of each dialect that is loaded.' },
  millrace_wrong_schema_ids_total: { of: ['processor'], means: 'Records whose fingerprint belongs to another schema than their ID.' },

  millrace_latency_seconds: {
    of: ['store'],
    labels: ['from'],
    histogram: true,
    means:
      'Until the commit of each record: from its `sample`, the newest one by its own time, so that waiting in the device counts too; from its `receipt` by the bridge. What is read again counts again.',
  },
  millrace_inserted_rows_total: { of: ['store'], means: 'Rows committed that were new.' },
  millrace_merged_rows_total: { of: ['store'], means: 'Rows that added something to the row of their device and time.' },
  millrace_repeated_rows_total: { of: ['store'], means: 'Rows that had nothing new.' },
  millrace_store_conflicts_total: { of: ['store'], means: 'Rows that had another value than the row of their device and time.' },
  millrace_rollup_pending_hours: {
    of: ['store'],
    means:
      'Hours of devices whose roll-ups are not up to date, so that queries compute them; NaN until they are counted, or if there are none.',
  },
  millrace_rollup_dropped_days_total: {
    of: ['store'],
    means: 'Days whose roll-ups were dropped by `storage.retention_days`: those of hours, and those of the day.',
  },
  millrace_readings_total: { of: ['store'], means: 'Values of quantities in the rows committed, repeats included.' },
  millrace_stray_rows: {
    of: ['store'],
    means: 'Rows in the default partition, estimated if they are many; NaN while they have not been counted.',
  },
  millrace_stray_days: { of: ['store'], means: 'Days that these rows are of; NaN while they have not been counted.' },
  millrace_partition_days_ready: {
    of: ['store'],
    means: 'Days after today, without a gap, that have their partitions; NaN before the first look.',
  },
  millrace_partitions_made_total: { of: ['store'], means: 'Partitions that the care of partitions made.' },
  millrace_partitions_dropped_total: { of: ['store'], means: 'Partitions, or chunks, dropped by `storage.retention_days`.' },
  millrace_moved_stray_rows_total: { of: ['store'], means: 'Rows moved from the default partition into those that were made.' },
  millrace_dropped_stray_rows_total: { of: ['store'], means: 'Rows of the default partition dropped by `storage.retention_days`.' },
  millrace_partition_care_failures_total: { of: ['store'], means: 'Steps of the care of partitions that failed; they are tried again.' },
  millrace_archived_days_total: { of: ['store'], means: 'Days that this store took to the archive, those that got late rows there too.' },
  millrace_archived_rows_total: { of: ['store'], means: 'Rows that went from the table to the archive.' },
  millrace_archive_conflicts_total: {
    of: ['store'],
    means: 'Of these, late rows with another value than the archived one; `store.conflicts` says which one stayed.',
  },
  millrace_archive_removed_days_total: { of: ['store'], means: 'Days removed by `storage.archive_retention_days`.' },
  millrace_archive_failures_total: {
    of: ['store'],
    means: 'Days that could not be archived or removed, and runs of the archive that failed; they are tried again.',
  },
  millrace_archived_frames_total: { of: ['store'], means: 'Records of frames and raw messages that went to `storage.archive_frames`.' },
  millrace_archived_frame_files_total: { of: ['store'], means: 'Files that they are in.' },
  millrace_frames_lost_before_archive_total: {
    of: ['store'],
    means: 'Offsets of frames and raw messages that Kafka had deleted, or lost, before they were archived.',
  },
  millrace_frames_archive_failures_total: { of: ['store'], means: 'Runs of that archive that failed; they are tried again.' },

  millrace_dead_letters_read_total: { of: ['continuity'], means: 'Dead letters among the records.' },
  millrace_unreadable_records_total: { of: ['continuity'], means: 'Records that are not what their topic holds.' },
  millrace_implausible_frames_total: {
    of: ['continuity'],
    means: 'Frames whose number is too high for the time that has passed, or that report more discarded samples than there can be.',
  },
  millrace_late_frames_total: { of: ['continuity'], means: 'Frames of boots that were folded, or of numbers that were settled.' },
  millrace_boots: { of: ['continuity'], means: 'Boots in memory.' },
  millrace_boot_loads_total: { of: ['continuity'], means: 'Queries for boots that were not in memory.' },
  millrace_query_retries_total: { of: ['continuity'], means: 'Queries that failed and were tried again.' },
} as const satisfies Readonly<Record<`millrace_${string}`, MetricSpec>>

export type MetricName = keyof typeof METRICS

type Labelled = Iterable<readonly [string, number]>
type Distributions = Iterable<readonly [string, Distribution]>
type Value<Name extends MetricName> = (typeof METRICS)[Name] extends { readonly histogram: true }
  ? Distributions
  : (typeof METRICS)[Name] extends { readonly labels: infer Labels }
    ? Labels extends readonly [string]
      ? Labelled
      : Iterable<readonly [string, Labelled]>
    : number

/** What to read when a metric is asked for, by its name. */
export type MetricReadings = { readonly [Name in MetricName]?: () => Value<Name> }

/**
 * Adds metrics to a service's. They are read when they are asked for, so that counting costs the
 * hot path one addition.
 */
export function reportMetrics(registry: Registry, readings: MetricReadings): void {
  for (const [name, asked] of Object.entries(readings) as [MetricName, () => unknown][]) {
    const { means: help, labels: wanted, histogram }: MetricSpec = METRICS[name]
    if (histogram) {
      registry.registerMetric(distributions({ name, help, label: wanted?.[0] ?? '' }, asked as () => Distributions))
      continue
    }
    const read = asked as () => number | Labelled | Iterable<readonly [string, Labelled]>
    const labels: readonly string[] = wanted ?? []
    const shape = { name, help, labelNames: [...labels], registers: [registry] }
    if (isCounter(name))
      new Counter({
        ...shape,
        collect() {
          this.reset()
          for (const [values, figure] of figures(labels, read())) this.inc(values, figure)
        },
      })
    else
      new Gauge({
        ...shape,
        collect() {
          for (const [values, figure] of figures(labels, read())) this.set(values, figure)
        },
      })
  }
}

/**
 * Counts by name, of which those that never occurred are 0: Prometheus sees no increase in a series
 * that begins with its first event.
 */
export function fromZero(names: readonly string[], counts: Labelled): Labelled {
  return new Map([...names.map((name) => [name, 0] as const), ...counts])
}

/** What kind of metric it is, in Prometheus's words. */
export function metricType(name: MetricName): 'counter' | 'gauge' | 'histogram' {
  const { histogram }: MetricSpec = METRICS[name]
  return histogram ? 'histogram' : isCounter(name) ? 'counter' : 'gauge'
}

function isCounter(name: string): boolean {
  return name.endsWith('_total')
}

/** A histogram whose counting is our own: that of prom-client takes a microsecond for each. */
function distributions(
  { name, help, label }: { readonly name: string; readonly help: string; readonly label: string },
  read: () => Distributions,
): Metric {
  const values = (): readonly object[] =>
    [...read()].flatMap(([value, distribution]) => {
      const labels = { [label]: value }
      const buckets = [...distribution.cumulative()].map(([bound, count]) => ({
        metricName: `${name}_bucket`,
        labels: { ...labels, le: Number.isFinite(bound) ? String(bound) : '+Inf' },
        value: count,
      }))
      return [
        ...buckets,
        { metricName: `${name}_sum`, labels, value: distribution.sum },
        { metricName: `${name}_count`, labels, value: distribution.count },
      ]
    })
  // What a registry asks of a metric.
  return { name, help, type: 'histogram', get: async () => ({ name, help, type: 'histogram', values: values() }) } as unknown as Metric
}

type Figures = Iterable<readonly [Readonly<Record<string, string>>, number]>

function* figures(labels: readonly string[], value: number | Labelled | Iterable<readonly [string, Labelled]>): Figures {
  if (typeof value === 'number') {
    yield [{}, value]
    return
  }
  const [label = '', ...others] = labels
  for (const [name, inner] of value) for (const [values, figure] of figures(others, inner)) yield [{ [label]: name, ...values }, figure]
}

/**
 * A registry for a service: all that it says has the service's name as a label. Begins with memory,
 * CPU and event loop of the process.
 */
export function labelService(registry: Registry, service: string): void {
  registry.setDefaultLabels({ service })
  collectDefaultMetrics({ register: registry })
  // Gauges that are called _total: Prometheus's linter is right to complain. Their sums are in
  // `nodejs_active_resources` and its like.
  for (const what of ['handles', 'requests', 'resources']) registry.removeSingleMetric(`nodejs_active_${what}_total`)
}

/**
 * That a service has the metrics of its kind, as docs/metrics.md says.
 * @throws RangeError that names what is missing, or too much
 */
export function requireMetrics(registry: Registry, kind: Kind): void {
  for (const [name, { of }] of Object.entries<MetricSpec>(METRICS))
    if (of.includes(kind) !== (registry.getSingleMetric(name) !== undefined))
      throw new RangeError(`${name}: expected of ${of.join(', ')}; ${kind} ${of.includes(kind) ? 'does not have it' : 'has it too'}`)
}
