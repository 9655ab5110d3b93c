import { createHash } from 'node:crypto'
import { createReadStream } from 'node:fs'
import { stat } from 'node:fs/promises'
import { pipeline } from 'node:stream/promises'
import {
  type ArchivedFile,
  type DayManifest,
  dayFolder,
  FILE_NAME,
  MANIFEST_NAME,
  manifestText,
  parseManifest,
} from '../../processors/store/archive-manifest.ts'
import type { ArchivePlace } from './place.ts'

/** Beside the file that takes its place, until the database says which one counts. */
const PREVIOUS = '.previous'
const NAMES = [FILE_NAME, MANIFEST_NAME] as const

/** The manifest of a day; undefined if there is none. */
export async function readManifest(place: ArchivePlace, day: string): Promise<DayManifest | undefined> {
  const name = `${dayFolder(day)}/${MANIFEST_NAME}`
  const text = await place.getText(name)
  return text === undefined ? undefined : parseManifest(text, `${place.location}/${name}`)
}

/** A path to the file of a day; undefined if there is none. */
export function readDayFile(place: ArchivePlace, day: string): Promise<string | undefined> {
  return place.read(`${dayFolder(day)}/${FILE_NAME}`)
}

/**
 * Puts a file and its manifest in the place of those of the day, the manifest last. There is one
 * file at any time, so those who read by its name never see a row twice.
 */
export async function putDay(place: ArchivePlace, manifest: DayManifest, path: string): Promise<void> {
  const folder = dayFolder(manifest.day)
  await place.put(`${folder}/${FILE_NAME}`, path)
  await place.putText(`${folder}/${MANIFEST_NAME}`, manifestText(manifest))
}

/** Keeps what the day has now under other names, before `putDay`. */
export async function keepPrevious(place: ArchivePlace, day: string): Promise<void> {
  for (const name of NAMES) await place.copy(`${dayFolder(day)}/${name}`, `${dayFolder(day)}/${name}${PREVIOUS}`)
}

/** Puts back what `keepPrevious` kept, if anything. It can be repeated. */
export async function restorePrevious(place: ArchivePlace, day: string): Promise<void> {
  for (const name of NAMES) await place.copy(`${dayFolder(day)}/${name}${PREVIOUS}`, `${dayFolder(day)}/${name}`)
  await dropPrevious(place, day)
}

export async function dropPrevious(place: ArchivePlace, day: string): Promise<void> {
  for (const name of NAMES) await place.remove(`${dayFolder(day)}/${name}${PREVIOUS}`)
}

/** Removes a day, its manifest last. */
export async function removeDay(place: ArchivePlace, day: string): Promise<void> {
  await dropPrevious(place, day)
  for (const name of NAMES) await place.remove(`${dayFolder(day)}/${name}`)
}

export async function describeFile(path: string): Promise<ArchivedFile> {
  const hash = createHash('sha256')
  await pipeline(createReadStream(path, { highWaterMark: 1 << 20 }), hash)
  return { name: FILE_NAME, bytes: (await stat(path)).size, sha256: hash.digest('hex') }
}
