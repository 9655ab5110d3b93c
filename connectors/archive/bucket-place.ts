import { createReadStream, createWriteStream } from 'node:fs'
import { mkdtemp, readdir, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Readable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import { ConnectorError } from '../contract.ts'
import type { ArchivePlace } from './place.ts'

/** A part of an upload: 10,000 of them are 320 GB, and two are in memory. */
const PART_BYTES = 32 * 1024 * 1024
const PARTS_AT_ONCE = 2
/** Begins the names of work folders; the process follows. */
const WORK = 'millrace-bucket-'

/**
 * A bucket of S3, or of a server that speaks its protocol: s3://bucket/prefix. Address, region and
 * credentials are those of the AWS SDK (AWS_ENDPOINT_URL_S3, AWS_REGION, AWS_ACCESS_KEY_ID, …);
 * with an address of one's own the bucket is in the path. An object is there as a whole or not at
 * all.
 */
export async function bucketPlace(location: string, env: NodeJS.ProcessEnv): Promise<ArchivePlace> {
  const { S3Client, CopyObjectCommand, DeleteObjectCommand, GetObjectCommand, PutObjectCommand, Upload } = await load()
  const { hostname: Bucket, pathname } = new URL(location)
  const prefix = decodeURIComponent(pathname).replace(/^\/+|\/+$/g, '')
  const keyOf = (name: string): string => (prefix === '' ? name : `${prefix}/${name}`)
  const endpoint = env.AWS_ENDPOINT_URL_S3 ?? env.AWS_ENDPOINT_URL
  // Other servers have none, but the signature needs one.
  const region = env.AWS_REGION ?? env.AWS_DEFAULT_REGION ?? (endpoint === undefined ? undefined : 'us-east-1')
  const { AWS_ACCESS_KEY_ID: accessKeyId, AWS_SECRET_ACCESS_KEY: secretAccessKey, AWS_SESSION_TOKEN: sessionToken } = env
  const credentials =
    accessKeyId === undefined || secretAccessKey === undefined
      ? undefined
      : { accessKeyId, secretAccessKey, ...(sessionToken === undefined ? {} : { sessionToken }) }
  const client = new S3Client({
    ...(endpoint === undefined ? {} : { endpoint, forcePathStyle: true }),
    // Otherwise the SDK looks where its users keep them: files, the role of the machine.
    ...(credentials === undefined ? {} : { credentials }),
    ...(region === undefined ? {} : { region }),
    // Other servers do not know the checksums that the SDK adds by itself. Files have their SHA-256.
    requestChecksumCalculation: 'WHEN_REQUIRED',
    responseChecksumValidation: 'WHEN_REQUIRED',
  })
  const work = await mkdtemp(join(tmpdir(), `${WORK}${process.pid}-`))
  let reads = 0
  const within = async <Result>(doing: string, name: string, call: () => Promise<Result>): Promise<Result> => {
    try {
      return await call()
    } catch (cause) {
      throw new ConnectorError(cause instanceof Error ? cause.name : 's3', true, `${doing} ${location}/${name}`, cause)
    }
  }
  const unlessMissing = async <Result>(call: () => Promise<Result>): Promise<Result | undefined> => {
    try {
      return await call()
    } catch (error) {
      if (error instanceof Error && (error.name === 'NoSuchKey' || error.name === 'NotFound')) return undefined
      throw error
    }
  }
  return {
    location: `s3://${Bucket}${prefix === '' ? '' : `/${prefix}`}`,
    work,
    async tidy() {
      for (const name of await readdir(tmpdir())) {
        const owner = name.startsWith(WORK) ? Number.parseInt(name.slice(WORK.length), 10) : Number.NaN
        if (!Number.isNaN(owner) && !isRunning(owner)) await rm(join(tmpdir(), name), { recursive: true, force: true })
      }
    },
    async put(name, path) {
      await within('writing', name, async () => {
        const params = { Bucket, Key: keyOf(name), Body: createReadStream(path) }
        await new Upload({ client, params, partSize: PART_BYTES, queueSize: PARTS_AT_ONCE }).done()
      })
      await rm(path)
    },
    async putText(name, text) {
      await within('writing', name, () => client.send(new PutObjectCommand({ Bucket, Key: keyOf(name), Body: text })))
    },
    getText: (name) =>
      within('reading', name, () =>
        unlessMissing(async () => (await client.send(new GetObjectCommand({ Bucket, Key: keyOf(name) }))).Body?.transformToString()),
      ),
    read: (name) =>
      within('reading', name, () =>
        unlessMissing(async () => {
          const { Body } = await client.send(new GetObjectCommand({ Bucket, Key: keyOf(name) }))
          const path = join(work, `read-${reads++}`)
          await pipeline(Body as Readable, createWriteStream(path))
          return path
        }),
      ),
    copy: (from, to) =>
      within('copying to', to, async () => {
        // Some servers do not decode what need not be encoded.
        const CopySource = `${Bucket}/${encodeURIComponent(keyOf(from)).replaceAll('%2F', '/').replaceAll('%3D', '=')}`
        return (await unlessMissing(() => client.send(new CopyObjectCommand({ Bucket, Key: keyOf(to), CopySource })))) !== undefined
      }),
    async remove(name) {
      await within('removing', name, () => client.send(new DeleteObjectCommand({ Bucket, Key: keyOf(name) })))
    },
    async [Symbol.asyncDispose]() {
      client.destroy()
      await rm(work, { recursive: true, force: true })
    },
  }
}

async function load() {
  try {
    return { ...(await import('@aws-sdk/client-s3')), ...(await import('@aws-sdk/lib-storage')) }
  } catch (cause) {
    throw new ConnectorError('s3', false, 'loading the client of S3: npm install @aws-sdk/client-s3 @aws-sdk/lib-storage', cause)
  }
}

function isRunning(pid: number): boolean {
  try {
    process.kill(pid, 0)
    return true
  } catch (error) {
    // It is another user's.
    return error instanceof Error && 'code' in error && error.code === 'EPERM'
  }
}
