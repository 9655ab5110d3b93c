import { z } from 'zod'
import { dialectSettings } from './dialect-entries.ts'
import { LOG_FORMATS, LOG_LEVELS } from './log.ts'

/** What `millrace up` runs if the configuration does not say, beside bridge and store. */
export const DEFAULT_PROCESSORS: readonly string[] = ['standardise', 'translate', 'devices', 'continuity']

const port = z.int().min(1).max(65_535)
const serviceName = z.string().regex(/^[a-z][a-z0-9-]*$/)

const processor = z
  .string()
  .regex(
    /^(?:\.{0,2}\/(?:.*\/)?)?[a-z][a-z0-9-]*\/?$/,
    'expected a folder of processors/ by its name, or a path to a folder, as in ./examples/frost-alert',
  )

/** Settings with one heading: all of them may be left out. */
function section<const Shape extends z.core.$ZodShape>(description: string, settings: Shape) {
  return z
    .strictObject(settings)
    .prefault({} as z.input<z.ZodObject<Shape, z.core.$strict>>)
    .describe(description)
}

export const DEFAULT_TELEMETRY = 'devices/{device}/telemetry'
const DEFAULT_STATUS = 'devices/{device}/status'

const route = z
  .strictObject({ telemetry: z.string().optional(), raw: z.string().optional(), status: z.string().optional() })
  .refine((given) => Object.keys(given).length === 1, 'expected one of telemetry, raw and status, with its topic')

/** The configuration file. What settings must be beside one another is not in it. */
export const shape = z.strictObject({
  bridge: section('MQTT to Kafka.', {
    client_id: z
      .string()
      .min(1)
      .max(64)
      .default('millrace-bridge')
      .describe('Fixed, so that the broker keeps the session while the bridge is away.'),
    routes: z
      .union([
        z.array(route),
        z.strictObject({
          telemetry: z.string().default(DEFAULT_TELEMETRY).describe('MQTT topic of frames; {device} takes a level, or a part of one.'),
          status: z.string().default(DEFAULT_STATUS).describe('MQTT topic of births and last wills.'),
        }),
      ])
      .default([{ telemetry: DEFAULT_TELEMETRY }, { status: DEFAULT_STATUS }])
      .describe(
        'Which MQTT topics the bridge takes beside those of the dialects: a list, as in `- telemetry: "devices/{device}/telemetry"`, of which the first that matches counts. telemetry has frames, and what a dialect reads; raw has what a dialect reads, whatever its bytes are; status has births and last wills.',
      ),
    unknown_topics: z
      .enum(['ignore', 'count', 'dead-letter'])
      .default('ignore')
      .describe(
        'What becomes of topics that no route and no dialect takes: count subscribes to everything that the broker lets the bridge read, and counts them for `millrace topics unknown`; dead-letter also keeps their messages; ignore only counts what comes by itself.',
      ),
    receive_maximum: z
      .int()
      .min(1)
      .max(65_535)
      .default(10_000)
      .describe('Messages that may be under way without PUBACK: the backpressure.'),
    session_expiry_seconds: z.int().min(0).default(86_400).describe('How long the broker keeps messages for a bridge that is away.'),
    unknown_fingerprint_wait_ms: z
      .int()
      .min(0)
      .max(10_000)
      .default(3_000)
      .describe(
        'Longest time that a frame waits for the registry to learn its schema; then it is a dead letter. All PUBACKs wait with it.',
      ),
    max_payload_bytes: z.int().min(280).max(1_048_576).default(65_536).describe('Larger payloads are dead letters.'),
    rate_limit: section('Two token buckets of each device.', {
      messages_per_second: z.number().positive().default(1000).describe('Messages of each device, sustained.'),
      burst: z
        .int()
        .min(1)
        .default(100_000)
        .describe(
          'Messages of each device at once, after a silence, such as the backlog of a device or of the broker. The default is more than a frame a second for a day.',
        ),
      bytes_per_second: z.number().positive().default(524_288).describe('Payload bytes of each device, sustained.'),
      burst_bytes: z.int().min(1).default(67_108_864).describe('Payload bytes of each device at once.'),
      policy: z
        .enum(['delay', 'dead-letter'])
        .default('dead-letter')
        .describe(
          'What happens to what is over the rate. By default it is a dead letter: a burst of a day leaves nothing to even out, and all PUBACKs wait with a delayed message.',
        ),
      longest_delay_ms: z
        .int()
        .min(1)
        .max(10_000)
        .default(500)
        .describe('With delay: what would wait longer is a dead letter. All PUBACKs wait with the message.'),
    }),
  }),
  kafka: section('What all consumers have in common, and who they are.', {
    session_timeout_ms: z
      .int()
      .min(1000)
      .max(300_000)
      .default(10_000)
      .describe('A processor that Kafka does not hear from for so long loses its partitions to the others.'),
    users: z
      .string()
      .regex(/^[a-z][a-z0-9-]{0,39}$/, 'expected none, or a name of small letters, digits and -')
      .default('millrace')
      .describe(
        'Begins the names of the users that `millrace migrate` gives rights to where Kafka checks them: millrace-bridge, millrace-processors, millrace-continuity, millrace-store, millrace-watch, millrace-operator. none gives none: docs/roles.md.',
      ),
  }),
  devices_turned_bad: section('When standardise and other processors, and the store, stop a partition: docs/dead-letters.md.', {
    most_share: z
      .number()
      .min(0)
      .max(1)
      .default(0.05)
      .describe('If a larger share of the devices that were good lately turns bad, their partitions stop; 1 never stops one.'),
    minimum_devices: z.int().min(1).default(10).describe('Least number of devices that turn bad together before a partition stops.'),
    longest_minutes: z.int().min(1).max(1440).default(60).describe('A partition that is not fixed by then goes on, with dead letters.'),
  }),
  dead_letters: section('How much of what is refused is kept whole; of the rest a dead letter keeps the offset: docs/dead-letters.md.', {
    per_device: z
      .int()
      .min(1)
      .default(1000)
      .describe(
        'For each device and reason, so many dead letters in a window keep their whole record. The others keep only the offset, for a redrive.',
      ),
    per_device_bytes: z.int().min(1).default(1_048_576).describe('Most bytes of these records.'),
    total_bytes: z.int().min(1).default(67_108_864).describe('Bytes of the records kept whole of all devices of a service in a window.'),
    window_minutes: z.int().min(1).max(1440).default(60).describe('Length of the window that these are counted in.'),
  }),
  topics: section('Of topics that do not exist yet; existing ones are never changed.', {
    partitions: z
      .int()
      .min(1)
      .max(1000)
      .default(6)
      .describe('Partitions of a topic that does not exist yet. docs/partitions.md says how to add more while everything runs.'),
    replication_factor: z
      .union([z.literal('auto'), z.int().min(1).max(10)])
      .default('auto')
      .describe(
        'Copies of a topic that does not exist yet. auto: 3, or as many as Kafka has brokers if those are fewer. A number is refused while there are fewer brokers.',
      ),
    min_insync_replicas: z
      .union([z.literal('auto'), z.int().min(1).max(10)])
      .default('auto')
      .describe('So many copies must have a record before anybody is told that it is there. auto: 2 of 3 copies or more, else 1.'),
    retention_hours: z.int().min(1).default(168).describe('How far back a replay, or a store that was away, can go.'),
    max_message_bytes: z
      .int()
      .min(100_000)
      .default(2_228_224)
      .describe(
        'Largest batch of records. It must admit the largest payload that the broker lets through (2 MiB), because a dead letter keeps it whole.',
      ),
  }),
  webhooks: section('What accounts have sent to their own addresses: docs/processes/alerts.md.', {
    private_addresses: z
      .enum(['refuse', 'allow'])
      .default('refuse')
      .describe(
        'Whether a webhook may be at an address that is not of the public Internet. With allow, whoever adds a webhook reaches everything that this machine does.',
      ),
    timeout_ms: z.int().min(100).max(20_000).default(10_000).describe('Longest time until an answer; then the attempt has failed.'),
    retry_hours: z.int().min(1).max(720).default(24).describe('A message that is not delivered for so long has failed for good.'),
  }),
  time: section('Times of samples.', {
    oldest_years: z
      .int()
      .min(1)
      .max(200)
      .default(10)
      .describe(
        'Samples that are older are refused. Each day with samples is a chunk or a partition of its own: for old files, raise it, and max_locks_per_transaction of PostgreSQL with it.',
      ),
  }),
  processors: z
    .array(processor)
    .default([...DEFAULT_PROCESSORS])
    .describe(
      'What `millrace up` runs: folders of processors/ by name, others by their path from this file; continuity keeps the ledger of frame numbers.',
    ),
  dialects: dialectSettings,
  quantities: z
    .string()
    .min(1)
    .optional()
    .describe(
      'A file of quantities of your own beside the standard ones, by its path from this file: an Avro record with fields as those in schemas/readings.avsc. All services of a deployment need the same: docs/quantities.md.',
    ),
  store: section('Readings to the telemetry database.', {
    backend: z
      .enum(['auto', 'timescaledb', 'postgres'])
      .default('auto')
      .describe('How readings are kept: auto is timescaledb if the server offers it, else postgres.'),
    batch_rows: z.int().min(1).max(100_000).default(10_000).describe('A transaction takes at most so many rows.'),
    batch_ms: z
      .int()
      .min(1)
      .max(60_000)
      .default(200)
      .describe('Longest wait of a row for others of its transaction, while no other is under way; as a rule it waits 20 ms at most.'),
    conflicts: z
      .enum(['keep-first', 'keep-last', 'first', 'last'])
      .default('keep-first')
      .transform((policy) => (policy === 'first' || policy === 'last' ? (`keep-${policy}` as const) : policy))
      .describe(
        'Which value stays if a device sends two different ones for one time. Either way they are counted. first and last are older names of the two.',
      ),
    rollups: z
      .enum(['kept', 'none'])
      .default('kept')
      .describe('Whether roll-ups are kept. What is stored under none is missing in them: it is for measuring what they cost.'),
  }),
  storage: section('What the store keeps ready, and how long it keeps what it has: docs/storage.md.', {
    days_ahead: z
      .int()
      .min(1)
      .max(60)
      .default(7)
      .describe('Days after today that have their partitions already. On TimescaleDB chunks appear by themselves.'),
    retention_days: section('Whole days that rows are kept, by table. Without a figure all are kept.', {
      readings: z
        .int()
        .min(1)
        .max(36_500)
        .optional()
        .describe('A day of readings is dropped, with its partition or chunk, so many days after its end.'),
      readings_hourly: z
        .int()
        .min(1)
        .max(36_500)
        .optional()
        .describe('The roll-ups of the hours of a day are dropped so many days after its end, once its readings are dropped or archived.'),
      readings_daily: z
        .int()
        .min(1)
        .max(36_500)
        .optional()
        .describe('The roll-ups of a day are dropped so many days after its end, once those of its hours are.'),
    }),
    archive: z
      .string()
      .min(1)
      .optional()
      .describe(
        'A directory, by its path from this file, or s3://bucket/prefix: old days of readings become Parquet files there: docs/archive.md. Without it none do.',
      ),
    archive_after_days: z
      .int()
      .min(1)
      .max(36_500)
      .default(30)
      .describe('With storage.archive: a day of readings goes there so many whole days after its end.'),
    archive_retention_days: z
      .int()
      .min(1)
      .max(36_500)
      .optional()
      .describe('A day is removed from the archive so many whole days after its end. Without a figure all are kept.'),
    archive_frames: z
      .string()
      .min(1)
      .optional()
      .describe(
        'A directory, by its path from this file, or s3://bucket/prefix: what devices sent stays there as Parquet files for longer than in Kafka, so that it can be recomputed: docs/frames-archive.md. Without it nothing does.',
      ),
    archive_frames_retention_days: z
      .int()
      .min(1)
      .max(36_500)
      .optional()
      .describe(
        'With storage.archive_frames: files are removed so many whole days after they were received. Without a figure all are kept.',
      ),
    columnstore_after_days: z
      .int()
      .min(1)
      .max(36_500)
      .optional()
      .describe(
        'In place of an archive, with TimescaleDB under its own licence: a chunk becomes part of the columnstore so many whole days after its end.',
      ),
  }),
  database: section('Roles in the two databases: docs/roles.md.', {
    roles: z
      .union([z.literal('none'), z.string().regex(/^[a-z][a-z0-9_]{0,39}$/, 'expected none, or a name of small letters, digits and _')])
      .default('millrace')
      .describe(
        'Begins the names of the roles that `millrace migrate` makes and gives their rights: millrace_store, millrace_processes, millrace_reader, millrace_watch, millrace_broker. none makes none.',
      ),
  }),
  identity: section('Who devices are at the MQTT broker: docs/device-identity.md.', {
    authority: z
      .string()
      .min(1)
      .optional()
      .describe(
        'A folder, by its path from this file, with ca.pem and ca.key, which sign the certificates of devices. Only the commands that issue and revoke certificates need it.',
      ),
    certificate_days: z.int().min(1).max(36_500).default(730).describe('How long a certificate of a device is good.'),
    broker_files: z
      .string()
      .min(1)
      .optional()
      .describe(
        "The folder, by its path from this file, that a Mosquitto on this machine has its devices' passwords and certificates from.",
      ),
    broker_users: z
      .string()
      .min(1)
      .optional()
      .describe('With identity.broker_files: a password file of mosquitto_passwd with the users who are no devices, the bridge for one.'),
    broker_pid_file: z
      .string()
      .min(1)
      .optional()
      .describe(
        'With identity.broker_files: where that Mosquitto writes its process ID. It is sent SIGHUP, upon which it reads the files.',
      ),
    brokers: z
      .array(z.string().regex(/^mqtts:\/\/[^/@?#]+$/, 'expected mqtts://host:port'))
      .default([])
      .describe(
        'Listeners for certificates, of all brokers: the open sessions of devices whose credentials are revoked are ended there. MQTT_CA_FILE has the authority of their servers.',
      ),
  }),
  log: section('What services log, and how: docs/logs.md.', {
    format: z.enum(LOG_FORMATS).default('auto').describe('auto is pretty on a terminal, and JSON otherwise.'),
    level: z.enum(LOG_LEVELS).default('info').describe('The least that is logged.'),
  }),
  watch: section('What `millrace watch` looks at: docs/monitoring.md.', {
    interval_seconds: z.int().min(1).max(600).default(10).describe('Time from one look at Kafka and the databases to the next.'),
    cluster_name: z.string().min(1).max(100).default('millrace').describe('Label cluster_name of the metrics of consumer groups.'),
  }),
  metrics: section('/metrics (Prometheus) and /health of each service.', {
    host: z
      .string()
      .min(1)
      .default('127.0.0.1')
      .describe('Address that /metrics and /health listen on; 0.0.0.0 or :: for all addresses of the machine.'),
    host_names: z
      .array(z.string().min(1))
      .default([])
      .describe('Names that the Host of a request may have, besides the addresses. Others are refused.'),
    reached_as: z
      .string()
      .regex(/^[A-Za-z0-9.-]*\{service\}[A-Za-z0-9.-]*$/, 'expected a host name with {service} in it, as in millrace-{service}')
      .optional()
      .describe(
        'If each service has a machine or container of its own: the host name by which commands, the page and Prometheus reach it, with {service} for its name, as in millrace-{service}. Services take it in the Host of a request.',
      ),
    ports: z
      .union([port, z.record(serviceName, port)])
      .default({})
      .describe(
        'Ports by name of the service, or one port for all if each runs on a machine of its own. bridge has 9464, store 9465, standardise 9466, devices 9467, continuity 9468, translate 9469, watch 9473, alerts 9474; another processor declares one, or has one here.',
      ),
  }),
})

export type Settings = z.output<typeof shape>

/** JSON Schema of the configuration file, for its reference and for editors. */
export function configurationSchema(): z.core.JSONSchema.JSONSchema {
  return z.toJSONSchema(shape, { io: 'input' })
}
