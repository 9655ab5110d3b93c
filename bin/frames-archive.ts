import { openPlace } from '../connectors/archive/open-place.ts'
import { openAdmin } from '../connectors/kafka/client.ts'
import { createRecordReader } from '../connectors/kafka/record-reader.ts'
import { openTopicLogs } from '../connectors/kafka/topic-logs.ts'
import { openSession } from '../connectors/postgres/session.ts'
import { whole } from '../ops/figures.ts'
import { archiveFrames as run } from '../ops/frames/archive-frames.ts'
import type { FramesEvent } from '../processors/store/frames-event.ts'
import { loadConfig } from '../services/config.ts'
import { telemetryOwner } from '../services/database-users.ts'
import { kafkaClient } from '../services/kafka.ts'
import { createLog } from '../services/log.ts'
import { ARCHIVED_TOPICS } from '../services/store/frames-due.ts'
import { type ConfigOption, UsageError } from './command-line.ts'
import { print } from './print.ts'
import { stopSignal } from './stop-signal.ts'

interface Options extends ConfigOption {
  readonly json?: true | undefined
}

/**
 * `millrace topics archive`: what devices sent, into files.
 * @returns 1 if something failed or was lost, else 0
 */
export async function archiveFrames({ config: file, json }: Options): Promise<number> {
  const config = loadConfig(process.env, file)
  const { archive_frames: location, archive_frames_retention_days: retentionDays } = config.storage
  if (location === undefined)
    throw new UsageError('storage.archive_frames is not set: expected a directory, or s3://bucket/prefix (docs/frames-archive.md)')
  const log = { ...createLog('topics'), info: () => undefined }
  const abort = new AbortController()
  void stopSignal().then(() => abort.abort(new Error('interrupted')))
  const kafka = kafkaClient(config, 'millrace-frames-archive', log)
  await using logs = openTopicLogs(kafka)
  await using admin = openAdmin(kafka)
  await using reader = createRecordReader(kafka)
  await using place = await openPlace(location, process.env)
  // A file takes long, and the turn goes with the session.
  const session = await openSession({
    url: telemetryOwner(config),
    applicationName: 'millrace frames archive',
    statementTimeoutMs: 0,
    answerTimeoutMs: 0,
  })
  try {
    let failed = 0
    await run(
      { session, logs, admin, topics: ARCHIVED_TOPICS, reader, place, retentionDays, nowMs: () => Date.now(), log, signal: abort.signal },
      (event) => {
        if (event.event === 'failed' || event.event === 'lost') failed++
        print(json === true ? JSON.stringify(event) : eventLine(event))
      },
    )
    return failed === 0 && !abort.signal.aborted ? 0 : 1
  } finally {
    await session.close()
  }
}

function eventLine(event: FramesEvent): string {
  switch (event.event) {
    case 'archived': {
      const unreadable = event.unreadable > 0 ? `; ${whole(event.unreadable)} more cannot be read` : ''
      return `${event.topic}/${event.partition} ${event.day}: archived ${whole(event.records)} records (${whole(event.bytes)} bytes)${unreadable}`
    }
    case 'lost':
      return `${event.topic}/${event.partition}: Kafka had deleted offsets ${event.from} to ${BigInt(event.next) - 1n} before they were archived`
    case 'removed':
      return `${event.name}: removed`
    case 'finished':
      return event.what
    case 'failed':
      return event.why
    case 'busy':
      return 'another run is at work'
  }
}
