import { execFile } from 'node:child_process'
import { mkdir, rm, statfs } from 'node:fs/promises'
import { promisify } from 'node:util'

const run = promisify(execFile)

/** A filesystem that can be full: a tmpfs whose limit is set to what is in it. */
export interface LimitedDisk extends AsyncDisposable {
  readonly path: string
  /** From now on not even a page more fits. */
  fill(): Promise<void>
  /** Room again. */
  empty(): Promise<void>
}

/** Memory is taken only as it is written to. */
const ROOMY = '16g'
const PAGE_BYTES = 8192

/**
 * Mounts one that belongs to this user, in place of one that an earlier run left behind.
 * @returns undefined if this user may not mount
 */
export async function mountLimitedDisk(path: string, user: string): Promise<LimitedDisk | undefined> {
  if (process.getuid?.() !== 0) return undefined
  await run('umount', ['-l', path]).catch(() => undefined)
  await mkdir(path, { recursive: true })
  try {
    await run('mount', ['-t', 'tmpfs', '-o', `size=${ROOMY},mode=0700`, 'millrace-chaos', path])
  } catch {
    await rm(path, { recursive: true })
    return undefined
  }
  await run('chown', [`${user}:`, path])
  const resize = (size: string): Promise<unknown> => run('mount', ['-o', `remount,size=${size}`, path])
  return {
    path,
    async fill() {
      // The kernel refuses a limit below what is used, and the server may write between the look
      // and the limit.
      for (let tries = 0; ; tries++) {
        const { bsize, blocks, bfree } = await statfs(path)
        try {
          await resize(String(bsize * (blocks - bfree) + PAGE_BYTES))
          return
        } catch (cause) {
          if (tries === 20) throw cause
        }
      }
    },
    async empty() {
      await resize(ROOMY)
    },
    async [Symbol.asyncDispose]() {
      // Lazily: a server that is just ending may still have a file open.
      await run('umount', ['-l', path])
      await rm(path, { recursive: true, force: true })
    },
  }
}
