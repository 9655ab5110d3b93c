import { closeSync, fdatasyncSync, openSync, rmSync, writeSync } from 'node:fs'
import { join } from 'node:path'

/** How fast a disk confirms what a commit waits for. */
export interface SyncRate {
  readonly perSecond: number
  readonly slowestMs: number
}

/** A page of PostgreSQL's log of changes (WAL). */
const PAGE_BYTES = 8_192
/** The file is written over and over again, as the server does with its WAL segments. */
const FILE_BYTES = 16 * 1_024 * 1_024
const MOST = 20_000

/**
 * Writes pages to a file of its own in the folder, fdatasync after each, for so long. The file is
 * there before the measurement, as a recycled WAL segment is.
 * @throws the error of the file system, if nothing can be written there
 */
export function measureSync(folder: string, forMs: number): SyncRate {
  const path = join(folder, `millrace-doctor-${process.pid}.tmp`)
  const file = openSync(path, 'wx', 0o600)
  try {
    writeSync(file, Buffer.alloc(FILE_BYTES), 0, FILE_BYTES, 0)
    fdatasyncSync(file)
    const page = Buffer.alloc(PAGE_BYTES, 1)
    const began = performance.now()
    let [count, slowestMs, now] = [0, 0, began]
    while (now - began < forMs && count < MOST) {
      writeSync(file, page, 0, PAGE_BYTES, (count * PAGE_BYTES) % FILE_BYTES)
      fdatasyncSync(file)
      const done = performance.now()
      slowestMs = Math.max(slowestMs, done - now)
      now = done
      count++
    }
    return { perSecond: (count * 1_000) / (now - began), slowestMs }
  } finally {
    closeSync(file)
    rmSync(path)
  }
}
