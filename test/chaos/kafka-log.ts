import { closeSync, ftruncateSync, openSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'

/** A record batch in a segment's file (Kafka protocol guide, "Record Batch", magic 2). */
export interface StoredBatch {
  /** Where it begins in the file. */
  readonly at: number
  readonly baseOffset: bigint
  readonly nextOffset: bigint
  readonly leaderEpoch: number
}

/** What was cut off a partition's log. */
export interface Cut {
  /** Where the log ends now. */
  readonly from: bigint
  /** Where it ended before. */
  readonly to: bigint
}

const LENGTH_COVERS_FROM = 12
const HEADER_BYTES = 61
/**
 * What a power cut leaves of the first batch that did not come to the disk whole: Kafka must
 * recover from that as well.
 */
const TORN_BYTES = 20

/** The batches of a segment, in order. Kafka must not run. */
export function readBatches(segment: Buffer): readonly StoredBatch[] {
  const batches: StoredBatch[] = []
  for (let at = 0; at + HEADER_BYTES <= segment.length; ) {
    const baseOffset = segment.readBigInt64BE(at)
    const bytes = LENGTH_COVERS_FROM + segment.readInt32BE(at + 8)
    if (at + bytes > segment.length) break
    batches.push({
      at,
      baseOffset,
      nextOffset: baseOffset + BigInt(segment.readInt32BE(at + 23) + 1),
      leaderEpoch: segment.readInt32BE(at + 12),
    })
    at += bytes
  }
  return batches
}

/** Where a partition's log ends. Kafka must not run. */
export function logEnd(directory: string): bigint {
  const { name, batches } = lastSegment(directory)
  return batches.at(-1)?.nextOffset ?? BigInt(name.slice(0, -'.log'.length))
}

/**
 * Takes the last batches of a partition's last segment away, as a power cut does that comes before
 * they are on the disk, and what Kafka noted about them: indexes, the state of producers, leader
 * epochs. Kafka must not run.
 * @param from first offset that goes; the rest of its batch goes with it, and one batch at least
 *   stays
 * @returns undefined if there is nothing to cut
 */
export function cutLog(directory: string, from: bigint): Cut | undefined {
  const { name, batches } = lastSegment(directory)
  const first = batches.find(({ nextOffset }, index) => index > 0 && nextOffset > from)
  const last = batches.at(-1)
  if (first === undefined || last === undefined) return undefined
  const file = openSync(join(directory, name), 'r+')
  try {
    ftruncateSync(file, first.at + TORN_BYTES)
  } finally {
    closeSync(file)
  }
  forgetAbove(directory, first.baseOffset)
  return { from: first.baseOffset, to: last.nextOffset }
}

function lastSegment(directory: string): { readonly name: string; readonly batches: readonly StoredBatch[] } {
  const name = readdirSync(directory)
    .filter((file) => file.endsWith('.log'))
    .sort()
    .at(-1)
  if (name === undefined) throw new Error(`${directory} has no segment`)
  return { name, batches: readBatches(readFileSync(join(directory, name))) }
}

function forgetAbove(directory: string, end: bigint): void {
  for (const file of readdirSync(directory)) {
    const [number = ''] = file.split('.')
    const derived = /^\d+\.(index|timeindex|txnindex)$/.test(file)
    if (derived || (file.endsWith('.snapshot') && BigInt(number) > end)) rmSync(join(directory, file))
  }
  const checkpoint = join(directory, 'leader-epoch-checkpoint')
  // A version, the number of entries, then `epoch startOffset` each.
  const [version = '0', , ...lines] = readFileSync(checkpoint, 'utf8').trim().split('\n')
  const kept = lines.filter((line) => BigInt(line.split(' ')[1] ?? 0) < end)
  writeFileSync(checkpoint, `${[version, kept.length, ...kept].join('\n')}\n`)
}
