import type { LogPart } from './partition-log.ts'

/**
 * Parts of several partitions in the order of their receipt: always the records of the partition
 * whose next record is the oldest, up to where another one's is older. One part of each partition
 * is in memory.
 */
export async function* inOrder(parts: readonly AsyncGenerator<LogPart>[]): AsyncGenerator<readonly [index: number, part: LogPart]> {
  const heads = new Map<number, LogPart>()
  const fill = async (index: number): Promise<void> => {
    const { done, value } = await (parts[index] as AsyncGenerator<LogPart>).next()
    if (done === true) heads.delete(index)
    else heads.set(index, value)
  }
  for (const index of parts.keys()) await fill(index)
  while (heads.size > 0) {
    const [first, second] = [...heads].sort(([, one], [, other]) => timeOf(one) - timeOf(other))
    if (first === undefined) return
    const [index, part] = first
    const limit = second === undefined ? Number.POSITIVE_INFINITY : timeOf(second[1])
    const until = part.records.findIndex(({ timestampMs }) => timestampMs > limit)
    if (until <= 0) {
      yield [index, part]
      await fill(index)
      continue
    }
    const now = part.records.slice(0, until)
    yield [index, { ...part, records: now, next: (now.at(-1)?.offset ?? part.next) + 1n }]
    heads.set(index, { ...part, records: part.records.slice(until), missing: 0n })
  }
}

function timeOf({ records }: LogPart): number {
  return records[0]?.timestampMs ?? Number.NEGATIVE_INFINITY
}
