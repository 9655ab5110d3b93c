import { stat } from 'node:fs/promises'
import { join, resolve } from 'node:path'
import { ConnectorError } from '../contract.ts'
import { bucketPlace } from './bucket-place.ts'
import type { ArchivePlace } from './place.ts'

/** An archive for those who only read it: they may have no right to write there. */
export type ArchiveToRead = Pick<ArchivePlace, 'location' | 'read'> & AsyncDisposable

export async function openPlaceToRead(location: string, env: NodeJS.ProcessEnv): Promise<ArchiveToRead> {
  if (location.startsWith('s3://')) return await bucketPlace(location, env)
  const root = resolve(location)
  return {
    location: root,
    async read(name) {
      const path = join(root, name)
      try {
        await stat(path)
        return path
      } catch (cause) {
        const { code } = cause as NodeJS.ErrnoException
        if (code === 'ENOENT') return undefined
        throw new ConnectorError(code ?? 'archive', false, `reading ${path}`, cause)
      }
    },
    async [Symbol.asyncDispose]() {},
  }
}
