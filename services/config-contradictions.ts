import { largestValue } from '../connectors/kafka/topics.ts'
import type { Settings } from './config-shape.ts'

/** Settings that are valid by themselves, but contradict one another. */
export function* contradictions({
  bridge,
  topics: { max_message_bytes: messageBytes, retention_hours: retentionHours },
  dead_letters: deadLetters,
  storage,
  identity,
}: Settings): Iterable<readonly [path: readonly string[], message: string, value: unknown]> {
  const most = largestValue(messageBytes)
  if (bridge.max_payload_bytes > most)
    yield [
      ['bridge', 'max_payload_bytes'],
      `expected at most ${most}, which topics.max_message_bytes (${messageBytes}) leaves for a payload`,
      bridge.max_payload_bytes,
    ]
  if (bridge.rate_limit.burst_bytes < bridge.max_payload_bytes)
    yield [
      ['bridge', 'rate_limit', 'burst_bytes'],
      `expected at least bridge.max_payload_bytes (${bridge.max_payload_bytes}), for a larger payload would never pass`,
      bridge.rate_limit.burst_bytes,
    ]
  for (const name of ['broker_users', 'broker_pid_file'] as const)
    if (identity[name] !== undefined && identity.broker_files === undefined)
      yield [['identity', name], 'expected identity.broker_files with it', identity[name]]
  if (deadLetters.per_device_bytes > deadLetters.total_bytes)
    yield [
      ['dead_letters', 'per_device_bytes'],
      `expected at most dead_letters.total_bytes (${deadLetters.total_bytes})`,
      deadLetters.per_device_bytes,
    ]
  // Otherwise a day that could not be archived for long would be dropped.
  if (storage.archive !== undefined && storage.retention_days.readings !== undefined)
    yield [
      ['storage', 'retention_days', 'readings'],
      'expected nothing beside storage.archive: storage.archive_retention_days says how long days are kept',
      storage.retention_days.readings,
    ]
  const { readings, readings_hourly: hourly, readings_daily: daily } = storage.retention_days
  const gone = storage.archive === undefined ? readings : storage.archive_after_days
  if (hourly !== undefined && gone === undefined)
    yield [['storage', 'retention_days', 'readings_hourly'], 'expected storage.retention_days.readings or storage.archive with it', hourly]
  if (hourly !== undefined && gone !== undefined && hourly < gone)
    yield [['storage', 'retention_days', 'readings_hourly'], `expected at least ${gone}, the days that readings are kept`, hourly]
  if (daily !== undefined && (hourly === undefined || daily < hourly))
    yield [
      ['storage', 'retention_days', 'readings_daily'],
      `expected storage.retention_days.readings_hourly with it, and at least as many`,
      daily,
    ]
  for (const name of ['archive', 'archive_frames'] as const) {
    const place = storage[name]
    if (place?.includes('://') === true && !/^s3:\/\/[a-z0-9][a-z0-9.-]{2,62}(\/[^?#]*)?$/.test(place))
      yield [['storage', name], 'expected a path, or s3://bucket/prefix', place]
  }
  // Both have folders of days, and whoever reads one with a pattern would read the other.
  if (storage.archive !== undefined && storage.archive === storage.archive_frames)
    yield [['storage', 'archive_frames'], 'expected another place than storage.archive', storage.archive_frames]
  if (storage.archive_frames_retention_days !== undefined && storage.archive_frames === undefined)
    yield [['storage', 'archive_frames_retention_days'], 'expected storage.archive_frames with it', storage.archive_frames_retention_days]
  // A day is archived once it is over.
  if (storage.archive_frames !== undefined && retentionHours < 48)
    yield [['topics', 'retention_hours'], 'expected at least 48 beside storage.archive_frames', retentionHours]
  if (storage.archive !== undefined && storage.columnstore_after_days !== undefined)
    yield [['storage', 'columnstore_after_days'], 'expected nothing beside storage.archive', storage.columnstore_after_days]
  const kept = storage.archive_retention_days
  if (kept !== undefined && storage.archive === undefined)
    yield [['storage', 'archive_retention_days'], 'expected storage.archive with it', kept]
  if (kept !== undefined && kept < storage.archive_after_days)
    yield [['storage', 'archive_retention_days'], `expected at least storage.archive_after_days (${storage.archive_after_days})`, kept]
}
