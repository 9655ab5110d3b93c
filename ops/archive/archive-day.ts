import { join } from 'node:path'
import {
  describeFile,
  dropPrevious,
  keepPrevious,
  putDay,
  readDayFile,
  readManifest,
  removeDay,
  restorePrevious,
} from '../../connectors/archive/day-files.ts'
import { openDuck } from '../../connectors/archive/duckdb.ts'
import { type ArchivedRows, mergeDay, readDay, writeDay } from '../../connectors/archive/parquet-day.ts'
import type { ArchivePlace } from '../../connectors/archive/place.ts'
import { ConnectorError } from '../../connectors/contract.ts'
import {
  type ArchivedDay,
  type ArchivedState,
  archivedDays,
  forgetArchived,
  isInArchive,
  noteArchived,
  setArchivedState,
} from '../../connectors/postgres/archived-days.ts'
import type { StorageBackend } from '../../connectors/postgres/backend.ts'
import { archiveColumns, exportDay, isTouched, watchDay } from '../../connectors/postgres/day-export.ts'
import type { Session } from '../../connectors/postgres/session.ts'
import { type ArchiveColumn, type DayFigures, differences } from '../../processors/store/archive-figures.ts'
import type { DayManifest, LateRows } from '../../processors/store/archive-manifest.ts'
import type { DueDay } from '../../processors/store/archive-plan.ts'
import type { ConflictPolicy } from '../../processors/store/merge-columns.ts'

export interface ArchiveParts {
  /** Holds the turn. */
  readonly session: Session
  readonly backend: StorageBackend
  readonly place: ArchivePlace
  /** A session for an export, which is not used for anything else and may be cut. */
  readonly openExport: () => Promise<Session>
  readonly conflicts: ConflictPolicy
  /** Whether rows are merged into a file that this database does not know of. */
  readonly adopt: boolean
  readonly nowMs: () => number
}

/** A day that is in the archive now, and how many of its rows came from the table. */
export interface ArchivedNow {
  readonly manifest: DayManifest
  readonly taken: number
  /** Of these, rows with another value than the archived one. */
  readonly conflicts: number
}

/** A day is exported again if rows of it changed meanwhile, so often. */
const ATTEMPTS = 3
const NO_LATE: LateRows = { merged: 0, repeated: 0, conflicts: 0 }

/**
 * Takes a day from the table to the archive, or into the file that it has there. The file is
 * verified and in its place before one transaction drops the rows and notes the day. Whatever ends
 * it, `finishDays` makes of the archive what the database says.
 * @param noted what is archived of the day
 * @throws ConnectorError; transient if another pass may succeed. The session may be in a failed
 *   transaction then.
 */
export async function archiveDay(parts: ArchiveParts, due: DueDay, noted: ArchivedDay | undefined): Promise<ArchivedNow> {
  const { session, backend } = parts
  const known = noted !== undefined && isInArchive(noted) ? noted : await adopted(parts, due.day)
  for (let attempt = 1; ; attempt++) {
    const tables = await backend.tables(session, due.partitions)
    await watchDay(session, tables, due.day)
    const result = await once(parts, due, tables, known)
    if (result !== undefined) return result
    if (attempt === ATTEMPTS) throw new ConnectorError('day-changes', true, `${due.day}: its rows changed while they were exported`)
  }
}

/**
 * A file of the day that is there though the database does not know of it: the archive is of
 * another database, or this one is an older backup. It may be all that is left of its rows.
 * @throws ConnectorError if there is one, and nobody has said that it is to be merged
 */
async function adopted({ session, place, adopt }: ArchiveParts, day: string): Promise<ArchivedDay | undefined> {
  const manifest = await readManifest(place, day)
  if (manifest === undefined && (await readDayFile(place, day)) === undefined) return undefined
  if (!adopt || manifest === undefined)
    throw new ConnectorError(
      'archive-taken',
      false,
      `${place.location} has a ${manifest === undefined ? 'file without a manifest' : 'file'} of ${day} that this database does not know of: if its rows belong here, \`millrace partitions archive --adopt\` merges them; else move it away`,
    )
  await noteArchived(session, place.location, manifest, 'archived')
  return (await archivedDays(session)).find((each) => each.day === day)
}

/** @returns undefined if rows changed meanwhile */
async function once(
  parts: ArchiveParts,
  due: DueDay,
  tables: readonly string[],
  known: ArchivedDay | undefined,
): Promise<ArchivedNow | undefined> {
  const { session, place } = parts
  const { day } = due
  const path = join(place.work, `${day}.parquet`)
  const { taken, ...written } = await write(parts, tables, day, known, path)
  const file = await describeFile(path)
  const manifest: DayManifest = {
    day,
    generation: (known?.generation ?? 0) + 1,
    writtenAt: new Date(parts.nowMs()).toISOString(),
    file,
    ...written,
  }
  if (known === undefined) await noteArchived(session, place.location, manifest, 'placing')
  else {
    await setArchivedState(session, day, 'replacing')
    await keepPrevious(place, day)
  }
  // It also says whether this is still our turn: it goes with the session.
  await session.query('asking whether the session is there', 'SELECT')
  await putDay(place, manifest, path)
  await requireThere(place, manifest)
  const outcome = await takeOut(parts, due, manifest, known === undefined ? 'archived' : 'replaced')
  if (outcome.tag !== 'gone') {
    if (known === undefined) {
      await removeDay(place, day)
      await forgetArchived(session, day)
    } else {
      await restorePrevious(place, day)
      await setArchivedState(session, day, 'archived')
    }
    if (outcome.tag === 'failed') throw outcome.error
    return undefined
  }
  if (known !== undefined) {
    await dropPrevious(place, day)
    await setArchivedState(session, day, 'archived')
  }
  return { manifest, taken, conflicts: written.late.conflicts - (known?.late.conflicts ?? 0) }
}

interface Written {
  readonly columns: readonly ArchiveColumn[]
  readonly figures: DayFigures
  readonly late: LateRows
  /** Rows of the table. */
  readonly taken: number
}

/** It is going to be the only copy: a bucket is asked what it has got. */
async function requireThere(place: ArchivePlace, { day, file }: DayManifest): Promise<void> {
  const path = await readDayFile(place, day)
  const found = path === undefined ? 'no file' : (await describeFile(path)).sha256
  if (found !== file.sha256)
    throw new ConnectorError(
      'archive-verify',
      false,
      `${place.location}, ${day}: wrote the file with SHA-256 ${file.sha256}, found ${found}`,
    )
}

/** Writes the file, and reads it back. */
async function write(
  parts: ArchiveParts,
  tables: readonly string[],
  day: string,
  known: ArchivedDay | undefined,
  path: string,
): Promise<Written> {
  const { place, conflicts } = parts
  await using duck = await openDuck(place.work)
  await using source = closing(await parts.openExport())
  const columns = await archiveColumns(source.session)
  let written: Written
  if (known === undefined) {
    const figures = await exportDay(source.session, tables, columns, (csv) => writeDay(duck, { columns, csv }, path))
    written = { columns, figures, late: NO_LATE, taken: figures.rows }
  } else {
    const archived = await openArchived(place, known)
    let merged: Awaited<ReturnType<typeof mergeDay>> | undefined
    const figures = await exportDay(source.session, tables, columns, async (csv) => {
      merged = await mergeDay(duck, archived, { columns, csv }, path, conflicts)
    })
    if (merged === undefined) throw new ConnectorError('archive-verify', false, `${day}: nothing was merged`)
    requireSame(`${day}: late rows as they were read`, figures, merged.lateFigures)
    written = { columns: merged.columns, figures: merged.figures, late: sum(known.late, merged.late), taken: figures.rows }
  }
  requireSame(`${day}: the file as it was read back`, written.figures, await readDay(duck, written.columns, path))
  return written
}

/** The file that counts, with what its manifest says, once it is sure that it is that one. */
export async function openArchived(place: ArchivePlace, { day, location, sha256 }: ArchivedDay): Promise<ArchivedRows> {
  const wrong = (what: string): ConnectorError =>
    new ConnectorError('archive-damaged', false, `${place.location}, ${day}: ${what}: nothing is done with the day until that is put right`)
  if (location !== place.location) throw wrong(`the day is archived in ${location}`)
  const manifest = await readManifest(place, day)
  const path = await readDayFile(place, day)
  if (manifest === undefined || path === undefined) throw wrong('the file or its manifest is not there')
  const found = (await describeFile(path)).sha256
  if (found !== sha256 || manifest.file.sha256 !== sha256)
    throw wrong(`expected the file with SHA-256 ${sha256}, found ${found}, and ${manifest.file.sha256} in the manifest`)
  return { columns: manifest.columns, figures: manifest.figures, path }
}

type Outcome = { readonly tag: 'gone' } | { readonly tag: 'changed' } | { readonly tag: 'failed'; readonly error: unknown }

/** Drops the rows and notes the day, in one transaction, if no row changed since the export. */
async function takeOut(
  { session, backend, place }: ArchiveParts,
  { day, partitions }: DueDay,
  manifest: DayManifest,
  state: ArchivedState,
): Promise<Outcome> {
  let changed = false
  try {
    await backend.drop(session, partitions, async () => {
      changed = await isTouched(session, day)
      if (changed) throw new ConnectorError('day-changes', true, `${day}: its rows changed while they were exported`)
      await noteArchived(session, place.location, manifest, state)
    })
    return { tag: 'gone' }
  } catch (error) {
    // Nobody knows whether it was committed: the next run looks.
    if (session.lost) throw error
    await session.script('leaving what failed', 'ROLLBACK')
    const noted = (await archivedDays(session)).find((each) => each.day === day)
    // Only what comes after the transaction failed, and the care of partitions does that too.
    if (noted?.state === state) return { tag: 'gone' }
    return changed ? { tag: 'changed' } : { tag: 'failed', error }
  }
}

export function requireSame(what: string, expected: DayFigures, found: DayFigures): void {
  const wrong = differences(expected, found)
  if (wrong.length > 0)
    throw new ConnectorError('archive-verify', false, `${what}, is not what the table has: ${wrong.slice(0, 5).join('; ')}`)
}

function sum(one: LateRows, other: LateRows): LateRows {
  return {
    merged: one.merged + other.merged,
    repeated: one.repeated + other.repeated,
    conflicts: one.conflicts + other.conflicts,
  }
}

function closing(session: Session): { readonly session: Session } & AsyncDisposable {
  return { session, [Symbol.asyncDispose]: () => session.close() }
}
