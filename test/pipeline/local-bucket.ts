import { mkdtemp, rm } from 'node:fs/promises'
import { createRequire } from 'node:module'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

/** A server that speaks S3's protocol, in this process, with one bucket. */
export interface LocalBucket extends AsyncDisposable {
  readonly location: string
  /** Address and credentials, as the AWS SDK reads them. */
  readonly env: Readonly<Record<string, string>>
}

/** The part of s3rver that is used; it has no types of its own. */
interface Server {
  run(): Promise<{ readonly port: number }>
  close(): Promise<void>
}

export async function localBucket(): Promise<LocalBucket> {
  const S3rver = createRequire(import.meta.url)('s3rver') as new (options: object) => Server
  const directory = await mkdtemp(join(tmpdir(), 'millrace-s3-'))
  const server = new S3rver({ port: 0, address: '127.0.0.1', silent: true, directory, configureBuckets: [{ name: 'archive' }] })
  const { port } = await server.run()
  return {
    location: 's3://archive/of/tests',
    env: {
      AWS_ENDPOINT_URL_S3: `http://127.0.0.1:${port}`,
      AWS_ACCESS_KEY_ID: 'S3RVER',
      AWS_SECRET_ACCESS_KEY: 'S3RVER',
      AWS_REGION: 'us-east-1',
    },
    async [Symbol.asyncDispose]() {
      await server.close()
      await rm(directory, { recursive: true, force: true })
    },
  }
}
