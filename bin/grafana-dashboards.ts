import type { Dashboard } from './grafana-json.ts'

const RATE = '$__rate_interval'

/** In the order of docs/monitoring.md; `make generate` writes them to deploy/grafana/. */
export const DASHBOARDS: readonly Dashboard[] = [
  {
    uid: 'millrace-line',
    title: 'Millrace: the line',
    rows: [
      {
        title: 'How it is',
        panels: [
          {
            title: 'Services',
            description: '0: it does not answer, or /health says that something is wrong.',
            unit: 'short',
            kind: 'stat',
            targets: [['min by (service) (millrace_healthy or up{job="millrace"})', '{{service}}']],
          },
          {
            title: 'Time lag',
            description: 'Age of the oldest record that each group has not read. It grows by a second a second if a group stands still.',
            unit: 's',
            targets: [['max by (group) (kafka_consumergroup_group_max_lag_seconds)', '{{group}}']],
          },
          {
            title: 'Lag in records',
            description: 'Records that each group has not read.',
            unit: 'short',
            targets: [['max by (group) (kafka_consumergroup_group_sum_lag)', '{{group}}']],
          },
          {
            title: 'Status of groups',
            description: 'Groups that are stopped, stalled, behind or unknown; empty if all is well.',
            unit: 'short',
            targets: [['max by (group, status) (millrace_group_status{status!="OK"}) > 0', '{{group}}: {{status}}']],
          },
        ],
      },
      {
        title: 'What flows',
        panels: [
          {
            title: 'Messages from the broker',
            description: 'What the bridge forwarded, by kind.',
            unit: 'cps',
            targets: [[`sum by (kind) (rate(millrace_forwarded_messages_total[${RATE}]))`, '{{kind}}']],
          },
          {
            title: 'Records read',
            description: 'By each service. What is read again counts again.',
            unit: 'cps',
            targets: [[`sum by (service) (rate(millrace_records_total[${RATE}]))`, '{{service}}']],
          },
          {
            title: 'Rows and values stored',
            description: 'Rows that were new, and values of quantities in all rows committed.',
            unit: 'cps',
            targets: [
              [`sum(rate(millrace_inserted_rows_total[${RATE}]))`, 'rows'],
              [`sum(rate(millrace_readings_total[${RATE}]))`, 'values'],
            ],
          },
          {
            title: 'Records written to each topic',
            description: 'By the ends of its partitions.',
            unit: 'cps',
            targets: [[`sum by (topic) (rate(kafka_partition_latest_offset[${RATE}]))`, '{{topic}}']],
          },
        ],
      },
      {
        title: 'Latency',
        panels: [
          {
            title: 'From receipt to row',
            description: 'From the bridge to the commit.',
            unit: 's',
            targets: [0.5, 0.99].map((quantile) => [
              `histogram_quantile(${quantile}, sum by (le) (rate(millrace_latency_seconds_bucket{from="receipt"}[${RATE}])))`,
              `${100 * quantile} %`,
            ]),
          },
          {
            title: 'From sample to row',
            description: 'From the newest sample of each record, so that waiting in the device counts too.',
            unit: 's',
            targets: [0.5, 0.99].map((quantile) => [
              `histogram_quantile(${quantile}, sum by (le) (rate(millrace_latency_seconds_bucket{from="sample"}[${RATE}])))`,
              `${100 * quantile} %`,
            ]),
          },
          {
            title: 'What services do with their time',
            description: 'Share of the time in each stage; what is left of 100 % is waiting for records.',
            unit: 'percentunit',
            targets: [[`sum by (service, stage) (rate(millrace_stage_seconds_total[${RATE}]))`, '{{service}}: {{stage}}']],
          },
          {
            title: 'Outstanding at the bridge',
            description: 'Messages received and not yet acknowledged. At receive_maximum the broker sends no more.',
            unit: 'short',
            targets: [['sum(millrace_outstanding_messages)', 'messages']],
          },
        ],
      },
      {
        title: 'What is refused or left out',
        panels: [
          {
            title: 'Dead letters',
            description: 'By service and reason: docs/dead-letters.md.',
            unit: 'cps',
            targets: [[`sum by (service, reason) (rate(millrace_rejected_total[${RATE}])) > 0`, '{{service}}: {{reason}}']],
          },
          {
            title: 'Left out on purpose',
            description: 'Without a dead letter.',
            unit: 'cps',
            targets: [[`sum by (service, reason) (rate(millrace_dropped_total[${RATE}])) > 0`, '{{service}}: {{reason}}']],
          },
          {
            title: 'Rows that were there already',
            description: 'Repeats cost nothing; conflicts are two values of one device for one time.',
            unit: 'cps',
            targets: [
              [`sum(rate(millrace_repeated_rows_total[${RATE}]))`, 'repeated'],
              [`sum(rate(millrace_merged_rows_total[${RATE}]))`, 'merged'],
              [`sum(rate(millrace_store_conflicts_total[${RATE}]))`, 'in conflict'],
            ],
          },
          {
            title: 'Lost records',
            description: 'Deleted by retention before they were read, or cut from the log.',
            unit: 'short',
            targets: [
              ['sum by (service) (increase(millrace_lost_offsets_total[1h]))', '{{service}}: deleted'],
              ['sum by (service) (increase(millrace_truncated_offsets_total[1h]))', '{{service}}: cut'],
            ],
          },
        ],
      },
      {
        title: 'Processes',
        panels: [
          {
            title: 'CPU',
            description: 'Cores.',
            unit: 'short',
            targets: [[`sum by (service) (rate(process_cpu_seconds_total{job="millrace"}[${RATE}]))`, '{{service}}']],
          },
          {
            title: 'Memory',
            description: 'Resident memory.',
            unit: 'bytes',
            targets: [['max by (service) (process_resident_memory_bytes{job="millrace"})', '{{service}}']],
          },
        ],
      },
    ],
  },
  {
    uid: 'millrace-around',
    title: 'Millrace: broker and databases',
    rows: [
      {
        title: 'MQTT broker',
        panels: [
          {
            title: 'Sessions',
            description: 'Connected, and kept for clients that are away.',
            unit: 'short',
            targets: [['millrace_broker_clients', '{{state}}']],
          },
          {
            title: 'Messages',
            description: 'Received from clients and sent to them.',
            unit: 'cps',
            targets: [[`rate(millrace_broker_publishes_total{direction!="dropped"}[${RATE}])`, '{{direction}}']],
          },
          {
            title: 'Dropped messages',
            description: 'Because a queue was full: they had been acknowledged to their devices.',
            unit: 'short',
            targets: [['increase(millrace_broker_publishes_total{direction="dropped"}[1h])', 'in an hour']],
          },
          {
            title: 'What it holds',
            description: 'Queued, in flight and retained.',
            unit: 'short',
            targets: [
              ['millrace_broker_stored_messages', 'messages'],
              ['millrace_broker_retained_messages', 'of these retained'],
            ],
          },
          {
            title: 'Its memory',
            description: 'If it was built to count it; payloads that it holds.',
            unit: 'bytes',
            targets: [
              ['millrace_broker_memory_bytes', 'memory'],
              ['millrace_broker_stored_bytes', 'payloads'],
            ],
          },
        ],
      },
      {
        title: 'Databases',
        panels: [
          { title: 'Size', description: 'On the disk.', unit: 'bytes', targets: [['millrace_database_size_bytes', '{{database}}']] },
          {
            title: 'Written to the log of changes',
            description: 'By the whole server.',
            unit: 'Bps',
            targets: [[`rate(millrace_database_wal_bytes_total[${RATE}])`, '{{database}}']],
          },
          {
            title: 'Connections',
            description: 'Of clients, as a share of the most.',
            unit: 'percentunit',
            targets: [['millrace_database_connections / millrace_database_max_connections', '{{database}}']],
          },
          {
            title: 'Oldest transaction',
            description: 'It keeps partitions from being dropped, and rows from being vacuumed.',
            unit: 's',
            targets: [['millrace_database_oldest_transaction_seconds', '{{database}}']],
          },
          {
            title: 'Age of transaction IDs',
            description: 'As a multiple of the age at which autovacuum freezes.',
            unit: 'short',
            targets: [['millrace_database_transaction_id_age / millrace_database_autovacuum_freeze_max_age', '{{database}}']],
          },
        ],
      },
      {
        title: 'Partitions of readings',
        panels: [
          { title: 'Partitions', description: 'Or chunks.', unit: 'short', targets: [['millrace_database_partitions', '{{database}}']] },
          {
            title: 'Days ready',
            description: 'After today, without a gap.',
            unit: 'short',
            targets: [['min(millrace_partition_days_ready)', 'days']],
          },
          {
            title: 'Rows in the default partition',
            description: 'They should be none.',
            unit: 'short',
            targets: [['max(millrace_stray_rows)', 'rows']],
          },
          {
            title: 'Archive',
            description: 'Days that went there, and failures.',
            unit: 'short',
            targets: [
              ['increase(millrace_archived_days_total[1d])', 'days archived'],
              ['increase(millrace_archive_failures_total[1d])', 'failures'],
            ],
          },
        ],
      },
    ],
  },
]
