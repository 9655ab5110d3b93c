import { gunzip } from 'node:zlib'

/** Why a batch, or the rest of one, cannot be read. Reading it again does not help. */
export class UnreadableBatch extends Error {
  override readonly name = 'UnreadableBatch'
  readonly code = 'KAFKA_UNREADABLE_BATCH'
  readonly transient = false
}

/** Compression types of a batch's attributes (Kafka protocol guide, "Record Batch"). */
const NAMES = ['none', 'gzip', 'snappy', 'lz4', 'zstd'] as const
const NONE = 0
const GZIP = 1
const MASK = 0x07

/**
 * Most bytes that a batch may become. Our own batches have less than 1 MB, and those of a producer
 * with its defaults about as much. A kilobyte of gzip may become a megabyte, and a fetch holds many
 * of them.
 */
export const MOST_BYTES = 16 << 20

/**
 * The records of a batch, decompressed; undefined if they are not compressed.
 * @throws UnreadableBatch for a compression that is not read here, for broken gzip, and for more
 *   than `MOST_BYTES`
 */
export async function decompress(attributes: number, bytes: Buffer): Promise<Buffer | undefined> {
  const type = attributes & MASK
  if (type === NONE) return undefined
  if (type !== GZIP)
    throw new UnreadableBatch(
      `its compression is ${NAMES[type] ?? `of type ${type}`}, expected none or gzip: set compression.type of its producer`,
    )
  return new Promise((resolve, reject) => {
    gunzip(bytes, { maxOutputLength: MOST_BYTES }, (cause, result) => {
      if (cause === null) resolve(result)
      else if ((cause as NodeJS.ErrnoException).code === 'ERR_BUFFER_TOO_LARGE')
        reject(new UnreadableBatch(`its ${bytes.length} bytes of gzip become more than ${MOST_BYTES}`))
      else reject(new UnreadableBatch(`its gzip is broken: ${cause.message}`))
    })
  })
}
