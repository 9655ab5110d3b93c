import { open, readFile, rename, rm } from 'node:fs/promises'
import { dirname } from 'node:path'
import { z } from 'zod'
import { ConfigError } from '../../services/config.ts'

const offset = z.string().regex(/^\d+$/)
const FORM = z.strictObject({
  version: z.literal(1),
  /** What was asked for: only the same run can be gone on with. */
  asked: z.string(),
  fromMs: z.int(),
  toMs: z.int(),
  topicId: z.string(),
  partitions: z.array(z.strictObject({ partition: z.int().min(0), begin: offset, next: offset, end: offset })),
  counts: z.strictObject({
    records: z.int().min(0),
    bytes: z.int().min(0),
    matched: z.int().min(0),
    rows: z.int().min(0),
    unreadable: z.int().min(0),
    missing: z.int().min(0),
  }),
  mark: z.strictObject({ bytes: z.int().min(0), groups: z.string().nullable() }),
})

/** How far a replay is: what a later run needs to go on. */
export type ReplayProgress = z.infer<typeof FORM>

/** The file beside the output. */
export function progressPath(out: string): string {
  return `${out}.resume`
}

/** @throws ConfigError if there is none, or it is none of ours */
export async function readProgress(out: string): Promise<ReplayProgress> {
  const path = progressPath(out)
  let text: string
  try {
    text = await readFile(path, 'utf8')
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code !== 'ENOENT') throw cause
    throw new ConfigError(`--resume: there is no ${path}: a run that is over removes it, and one that wrote nothing leaves none`)
  }
  const parsed = FORM.safeParse(parse(text))
  if (!parsed.success) throw new ConfigError(`--resume: ${path} is not what a replay of this version writes`)
  return parsed.data
}

/** Writes it so that a kill leaves the one before or this one, whole. */
export async function writeProgress(out: string, progress: ReplayProgress): Promise<void> {
  const path = progressPath(out)
  const file = await open(`${path}.new`, 'w')
  try {
    await file.writeFile(JSON.stringify(progress))
    await file.datasync()
  } finally {
    await file.close()
  }
  await rename(`${path}.new`, path)
  const folder = await open(dirname(path), 'r')
  try {
    await folder.sync()
  } finally {
    await folder.close()
  }
}

export async function removeProgress(out: string): Promise<void> {
  await rm(progressPath(out), { force: true })
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch (cause) {
    if (cause instanceof SyntaxError) return undefined
    throw cause
  }
}
