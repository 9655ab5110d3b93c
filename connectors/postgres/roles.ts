/** Which of the two databases. */
export type DatabaseKind = 'telemetry' | 'app'

/**
 * Roles beside the owner, who runs `millrace migrate`. `store`: the store service. `processes`:
 * bridge, processors, business processes and continuity. `reader`: analysts. `watch`: `millrace
 * watch`. `broker`: an MQTT broker that asks who a device is, and whoever writes a broker's files.
 */
export const ROLES = ['store', 'processes', 'reader', 'watch', 'broker'] as const
export type Role = (typeof ROLES)[number]

/** Rights on a table or view, as in GRANT: SELECT, UPDATE(name). */
export type Rights = Readonly<Record<string, readonly string[]>>

const READ = ['SELECT'] as const
const ADD = ['SELECT', 'INSERT', 'UPDATE'] as const
const ALL = ['SELECT', 'INSERT', 'UPDATE', 'DELETE'] as const

/** What each role needs in each database, and no more. */
export const RIGHTS: Readonly<Record<DatabaseKind, Readonly<Record<Role, Rights>>>> = {
  telemetry: {
    store: {
      ...each(ADD, 'readings', 'consumer_offset', 'reading_conflict'),
      ...each(ALL, 'rollup_mark', 'rollup_pending', 'rollup_pending_day'),
      ...each(ALL, 'readings_hourly_kept', 'readings_hourly_base', 'readings_daily_kept', 'readings_daily_base', 'latest_readings_kept'),
      rollup_hours_dropped: ['SELECT', 'INSERT'],
      site_devices_kept: ADD,
      ...each(READ, 'rollup_dropped', 'rollup_shape', 'rollup_marked', 'rollup_dirty_hours', 'rollup_dirty_days'),
      ...each(READ, 'readings_hourly', 'readings_daily'),
      // The trigger of a day that is being archived.
      archive_touch: ['INSERT'],
    },
    processes: {
      consumer_offset: ADD,
      ...each(ALL, 'continuity_boot', 'continuity_device', 'continuity_stranger', 'continuity_folded'),
      // A redrive writes them; the ledger locks them.
      continuity_redriven: ALL,
    },
    reader: {
      ...each(READ, 'readings', 'asset_readings', 'asset_devices', 'reading_conflict', 'archived_days'),
      ...each(READ, 'readings_hourly', 'readings_daily', 'latest_readings'),
      // Functions within these views run with the rights of who asks.
      ...each(READ, 'readings_hourly_kept', 'readings_hourly_base', 'readings_daily_kept', 'readings_daily_base', 'latest_readings_kept'),
      ...each(READ, 'rollup_hours_dropped'),
      ...each(READ, 'site_devices_kept', 'rollup_mark', 'rollup_marked', 'rollup_pending', 'rollup_pending_day', 'rollup_dropped'),
      ...each(READ, 'rollup_dirty_hours', 'rollup_dirty_days', 'archived_days'),
      // What the page for operators shows: how far consumers are, the ledger of frames, redrives.
      ...each(READ, 'consumer_offset', 'continuity_boot', 'continuity_device', 'continuity_stranger', 'continuity_folded'),
      ...each(READ, 'continuity_redriven', 'redrive_run', 'redriven_dead_letter'),
    },
    watch: { consumer_offset: READ },
    broker: {},
  },
  app: {
    store: {},
    processes: {
      consumer_offset: ADD,
      ...each(READ, 'accounts', 'gateway_devices', 'alert_rules', 'asset_devices', 'device_swaps'),
      // Rows are locked, which needs the right to change something of them.
      devices: ['SELECT', 'UPDATE(created_at)'],
      registered_schema: ADD,
      boot_anchor: ALL,
      ...each(ALL, 'sites', 'assignments', 'recompute_ranges', 'movements', 'movement_tracks'),
      ...each(ALL, 'device_status', 'device_contact', 'device_silence', 'process_listening'),
      ...each(ALL, 'alerts', 'alert_state', 'alert_device', 'outbox', 'webhook_delivery'),
      // Not the address, and not the secret.
      webhooks: ['SELECT', 'DELETE', 'UPDATE(failures,last_error,next_at,leased_until)'],
      ...each(
        READ,
        'movement_states',
        'deployments',
        'deployment_history',
        'device_states',
        'asset_periods',
        'asset_assignments',
        'asset_stays',
      ),
    },
    reader: {
      ...each(READ, 'accounts', 'sites', 'devices', 'assignments', 'asset_devices', 'device_swaps'),
      ...each(READ, 'device_status', 'device_contact', 'device_silence', 'process_listening', 'movements', 'movement_tracks'),
      ...each(READ, 'alert_rules', 'alerts', 'alert_state'),
      // Of the page for operators.
      ...each(READ, 'consumer_offset', 'registered_schema'),
      ...each(
        READ,
        'movement_states',
        'deployments',
        'deployment_history',
        'device_states',
        'asset_periods',
        'asset_assignments',
        'asset_stays',
      ),
    },
    watch: { consumer_offset: READ },
    // Views, which the owner made: the table that is behind them is not for a broker.
    broker: each(READ, 'broker_passwords', 'broker_certificates', 'broker_rights', 'device_authority', 'device_credential_version'),
  },
}

/**
 * Tables that are the owner's alone. Any other of the app database that is in no list is that of a
 * business process of the deployment's own, whose role may write to it.
 */
export const OWNERS_ALONE: Readonly<Record<DatabaseKind, readonly string[]>> = {
  telemetry: ['schema_migration', 'recompute_run', 'recompute_day', 'archived_frames'],
  app: ['schema_migration', 'rewind_run', 'device_credentials'],
}

/**
 * Roles of PostgreSQL's own that a role is a member of. It lets `watch` see since when sessions of
 * others are in a transaction.
 */
export const MEMBERSHIPS: Readonly<Partial<Record<Role, string>>> = { watch: 'pg_read_all_stats' }

/**
 * Of the reader's sessions. The first is a precaution: it has no right to write. A transaction that
 * stays open keeps partitions from being dropped. By the planner's estimates queries of views of
 * many columns would be compiled, which takes longer than they do.
 */
export const READER_SETTINGS: Readonly<Record<string, string>> = {
  default_transaction_read_only: 'on',
  statement_timeout: '60s',
  idle_in_transaction_session_timeout: '60s',
  jit: 'off',
}

function each(rights: readonly string[], ...relations: readonly string[]): Rights {
  return Object.fromEntries(relations.map((relation) => [relation, rights]))
}
