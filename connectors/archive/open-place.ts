import { bucketPlace } from './bucket-place.ts'
import { directoryPlace } from './directory-place.ts'
import type { ArchivePlace } from './place.ts'

/** The archive at `storage.archive`: a directory, or s3://bucket/prefix. */
export function openPlace(location: string, env: NodeJS.ProcessEnv): Promise<ArchivePlace> {
  return location.startsWith('s3://') ? bucketPlace(location, env) : directoryPlace(location)
}
