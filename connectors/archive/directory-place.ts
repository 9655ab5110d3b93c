import { randomBytes } from 'node:crypto'
import { copyFile, link, mkdir, open, readdir, readFile, rename, rm, rmdir, stat, writeFile } from 'node:fs/promises'
import { basename, dirname, join, resolve } from 'node:path'
import { ConnectorError } from '../contract.ts'
import type { ArchivePlace } from './place.ts'

/** DuckDB's globs leave out what begins with a dot. */
const WORK = '.millrace-work'

/**
 * A directory of this machine, or of one that is mounted. Its folders are made as they are needed.
 */
export async function directoryPlace(directory: string): Promise<ArchivePlace> {
  const root = resolve(directory)
  const doing = `writing to the archive ${root}`
  const work = join(root, WORK, `${process.pid}-${randomBytes(6).toString('hex')}`)
  await within(doing, () => mkdir(work, { recursive: true }))
  const at = (name: string): string => join(root, name)
  const move = async (from: string, name: string): Promise<void> => {
    await makeFolder(root, dirname(at(name)))
    await rename(from, at(name))
    await syncFolder(dirname(at(name)))
  }
  const temporary = (): string => join(work, randomBytes(6).toString('hex'))
  return {
    location: root,
    work,
    tidy: () =>
      within(doing, async () => {
        for (const name of await readdir(join(root, WORK)))
          if (name !== basename(work)) await rm(join(root, WORK, name), { recursive: true, force: true })
        // The run before may have taken it for left over.
        await mkdir(work, { recursive: true })
      }),
    put: (name, path) => within(doing, () => move(path, name)),
    putText: (name, text) =>
      within(doing, async () => {
        const path = temporary()
        await writeFile(path, text, { flush: true })
        await move(path, name)
      }),
    getText: (name) => within(`reading ${at(name)}`, () => unlessMissing(() => readFile(at(name), 'utf8'))),
    read: (name) =>
      within(`reading ${at(name)}`, () =>
        unlessMissing(async () => {
          await stat(at(name))
          return at(name)
        }),
      ),
    copy: (from, to) =>
      within(doing, async () => {
        const path = temporary()
        const there = await unlessMissing(async () => {
          // A link costs nothing; some file systems have none.
          await link(at(from), path).catch(() => copyFile(at(from), path))
          return true
        })
        if (there === undefined) return false
        await move(path, to)
        // Renaming one link of a file to another leaves both.
        await rm(path, { force: true })
        return true
      }),
    remove: (name) =>
      within(doing, async () => {
        await rm(at(name), { force: true })
        await unlessMissing(() => syncFolder(dirname(at(name))))
        // The folder goes with its last file.
        await rmdir(dirname(at(name))).catch(() => undefined)
      }),
    async [Symbol.asyncDispose]() {
      await rm(work, { recursive: true, force: true })
    },
  }
}

async function makeFolder(root: string, folder: string): Promise<void> {
  if ((await mkdir(folder, { recursive: true })) !== undefined) await syncFolder(root)
}

/** A rename is durable once its folder is. */
async function syncFolder(folder: string): Promise<void> {
  const handle = await open(folder, 'r')
  try {
    await handle.sync()
  } finally {
    await handle.close()
  }
}

async function unlessMissing<Result>(work: () => Promise<Result>): Promise<Result | undefined> {
  try {
    return await work()
  } catch (error) {
    if (codeOf(error) === 'ENOENT') return undefined
    throw error
  }
}

async function within<Result>(doing: string, work: () => Promise<Result>): Promise<Result> {
  try {
    return await work()
  } catch (cause) {
    throw new ConnectorError(codeOf(cause) ?? 'archive', true, doing, cause)
  }
}

function codeOf(error: unknown): string | undefined {
  return error instanceof Error && 'code' in error && typeof error.code === 'string' ? error.code : undefined
}
