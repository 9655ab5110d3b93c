/** A file with records of one partition of Kafka, in the order of their offsets. */
export interface FrameFile {
  readonly topic: string
  /** Of Kafka: a topic that was made again has other offsets. */
  readonly topicId: string
  readonly partition: number
  /** All offsets of the partition from the first up to, not including, the next are in the file. */
  readonly from: bigint
  readonly next: bigint
  /** Day (UTC) on which the first record was received, as in 2026-11-23. */
  readonly day: string
  readonly records: number
  /** Records that cannot be read, and are not in the file. */
  readonly unreadable: number
  /** Milliseconds since 1970: the least and the greatest time of receipt. */
  readonly firstMs: number
  readonly lastMs: number
  readonly bytes: number
  readonly sha256: string
}

/** Digits of an offset in a name, so that names sort as offsets do. */
const OFFSET_DIGITS = 19

/** Folder of the files of a topic and day. DuckDB takes `date` for a column. */
export function frameFolder({ topic, day }: Pick<FrameFile, 'topic' | 'day'>): string {
  return `${topic}/date=${day}`
}

/**
 * Name of a file within the archive: it says whose records it has, so that a repeat has the same.
 */
export function frameFileName(file: Pick<FrameFile, 'topic' | 'day' | 'topicId' | 'partition' | 'from' | 'next'>): string {
  const [from, next] = [file.from, file.next].map((offset) => String(offset).padStart(OFFSET_DIGITS, '0'))
  return `${frameFolder(file)}/${file.topicId.slice(0, 8)}-${file.partition}-${from}-${next}.parquet`
}

/** What of a partition no file has: from the end of one to the beginning of the next. */
export interface OffsetGap {
  readonly from: bigint
  readonly next: bigint
}

/**
 * The files that have offsets of a range, in their order, each with what is to be read of it, and
 * the gaps between them up to the first offset that Kafka has.
 * @param files of one partition of one topic
 */
export function coverage<File extends Pick<FrameFile, 'from' | 'next'>>(
  files: readonly File[],
  { from, next }: OffsetGap,
): { readonly parts: readonly (OffsetGap & { readonly file: File })[]; readonly gaps: readonly OffsetGap[] } {
  const parts: (OffsetGap & { readonly file: File })[] = []
  const gaps: OffsetGap[] = []
  let at = from
  for (const file of [...files].sort((a, b) => (a.from < b.from ? -1 : 1))) {
    if (file.next <= at || file.from >= next) continue
    if (file.from > at) gaps.push({ from: at, next: file.from })
    const begin = file.from > at ? file.from : at
    const end = file.next < next ? file.next : next
    parts.push({ file, from: begin, next: end })
    at = end
  }
  if (at < next) gaps.push({ from: at, next })
  return { parts, gaps }
}

/** The manifest of a folder: what its files have, for whoever has no database. */
export function frameManifest(files: readonly FrameFile[]): string {
  const list = files.map(({ topicId, partition, from, next, records, unreadable, firstMs, lastMs, bytes, sha256, ...file }) => ({
    name: frameFileName({ ...file, topicId, partition, from, next })
      .split('/')
      .at(-1),
    topic_id: topicId,
    partition,
    from_offset: String(from),
    next_offset: String(next),
    records,
    unreadable,
    first_received: new Date(firstMs).toISOString(),
    last_received: new Date(lastMs).toISOString(),
    bytes,
    sha256,
  }))
  return `${JSON.stringify({ records: list.reduce((sum, each) => sum + each.records, 0), files: list }, null, 2)}\n`
}
