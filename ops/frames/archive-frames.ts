import { join } from 'node:path'
import { describeFile } from '../../connectors/archive/day-files.ts'
import { openDuck } from '../../connectors/archive/duckdb.ts'
import { readBack, writeFrames } from '../../connectors/archive/frame-file.ts'
import type { ArchivePlace } from '../../connectors/archive/place.ts'
import { ConnectorError, type KafkaLogs, type Log } from '../../connectors/contract.ts'
import type { RecordReader } from '../../connectors/kafka/record-reader.ts'
import { forgetFrameFile, frameFiles, notePlacing, setFrameState, takeFramesTurn } from '../../connectors/postgres/archived-frames.ts'
import { type FrameFile, frameFileName, frameFolder, frameManifest } from '../../processors/store/frame-file.ts'
import type { FramesEvent } from '../../processors/store/frames-event.ts'
import { type DueRange, type FramesLook, framesPlan } from '../../services/store/frames-due.ts'
import { readLog } from '../replay/partition-log.ts'
import { PartitionFiles } from './partition-files.ts'

export interface FramesRun extends Omit<FramesLook, 'location'> {
  readonly place: ArchivePlace
  readonly reader: RecordReader
  readonly logs: Pick<KafkaLogs, 'topics' | 'extents'>
  readonly log: Log
  readonly signal: AbortSignal
}

const MANIFEST = 'manifest.json'

/**
 * One run: finishes what a killed one left, archives the records of days that are over, and removes
 * files by storage.archive_frames_retention_days. A file has its name only after it was read back
 * and noted; whatever ends a run, the next one takes each record once. One run at a time.
 * @throws ConnectorError if Kafka, the database or the archive cannot be reached
 */
export async function archiveFrames(run: FramesRun, say: (event: FramesEvent) => void): Promise<void> {
  const { session, place, signal } = run
  if (!(await takeFramesTurn(session))) {
    say({ event: 'busy' })
    return
  }
  await place.tidy()
  const look = { ...run, location: place.location }
  const before = await framesPlan(look)
  if (typeof before === 'string') {
    say({ event: 'failed', why: before })
    return
  }
  for (const file of before.unfinished) say({ event: 'finished', what: await finish(run, file, file.state === 'placing') })
  const plan = await framesPlan(look)
  if (typeof plan === 'string') return
  for (const range of plan.due) {
    if (signal.aborted) return
    if (range.lostFrom !== undefined) say(lostEvent(range, { from: range.lostFrom, next: range.from }))
    await archiveRange(run, range, say)
  }
  for (const file of plan.remove) {
    if (signal.aborted) return
    await setFrameState(session, file, 'removing')
    await finish(run, file, false)
    say({ event: 'removed', name: frameFileName(file) })
  }
}

/** Makes of the archive what the database says. @returns what it did */
async function finish({ session, place }: FramesRun, file: FrameFile, placing: boolean): Promise<string> {
  const name = frameFileName(file)
  const path = placing ? await place.read(name) : undefined
  if (path !== undefined && (await describeFile(path)).sha256 === file.sha256) {
    await writeManifest({ session, place }, file, 'there')
    await setFrameState(session, file, 'archived')
    return `${name}: was whole in its place when a run was killed`
  }
  await place.remove(name)
  if (placing) await forgetFrameFile(session, file)
  else {
    await writeManifest({ session, place }, file, 'gone')
    await setFrameState(session, file, 'removed')
  }
  return `${name}: removed${placing ? ': a run was killed before it was whole' : ', as a killed run had begun to'}`
}

async function archiveRange(run: FramesRun, range: DueRange, say: (event: FramesEvent) => void): Promise<void> {
  const { reader, logs, log, signal, session, place } = run
  const { topic, topicId, partition } = range
  const parts = readLog({ reader, logs, topic, log, signal }, { partition, next: range.from, end: range.end })
  const files = new PartitionFiles(parts, range.from)
  let told = 0
  const tell = (): void => {
    for (const each of files.lost.slice(told)) say(lostEvent(range, each))
    told = files.lost.length
  }
  while (await files.more()) {
    tell()
    await using duck = await openDuck(place.work)
    const path = join(place.work, `${partition}.parquet`)
    const written = await writeFrames(duck, path, partition, files.records())
    // Its records may end anywhere then.
    if (signal.aborted) return
    const back = await readBack(duck, path)
    if (back.records !== written.records || back.digest !== written.digest)
      throw new ConnectorError(
        'archive-verify',
        false,
        `${topic}/${partition}: wrote ${written.records} records, and read back ${back.records} or others`,
      )
    const { bytes, sha256 } = await describeFile(path)
    const file: FrameFile = { topic, topicId, partition, ...files.taken, bytes, sha256 }
    await notePlacing(session, file, place.location)
    const name = frameFileName(file)
    await place.put(name, path)
    const there = await place.read(name)
    const found = there === undefined ? 'no file' : (await describeFile(there)).sha256
    if (found !== sha256)
      throw new ConnectorError('archive-verify', false, `${place.location}/${name}: wrote SHA-256 ${sha256}, found ${found}`)
    await writeManifest(run, file, 'there')
    await setFrameState(session, file, 'archived')
    say({
      event: 'archived',
      topic,
      partition,
      from: String(file.from),
      next: String(file.next),
      day: file.day,
      records: file.records,
      unreadable: file.unreadable,
      bytes,
    })
  }
  tell()
}

function lostEvent({ topic, partition }: DueRange, { from, next }: { readonly from: bigint; readonly next: bigint }): FramesEvent {
  return { event: 'lost', topic, partition, from: String(from), next: String(next) }
}

/**
 * Of the folder of a file, from what the database has, with this file or without it: its state
 * follows.
 */
async function writeManifest(
  { session, place }: Pick<FramesRun, 'session' | 'place'>,
  file: FrameFile,
  is: 'there' | 'gone',
): Promise<void> {
  const { topic, day } = file
  const own = frameFileName(file)
  const files = (await frameFiles(session, topic)).filter((each) => {
    if (each.day !== day || each.location !== place.location) return false
    return frameFileName(each) === own ? is === 'there' : each.state === 'archived'
  })
  const name = `${frameFolder({ topic, day })}/${MANIFEST}`
  if (files.length === 0) await place.remove(name)
  else await place.putText(name, frameManifest(files))
}
