import type { RecordReader } from '../../connectors/kafka/record-reader.ts'
import type { Topic } from '../../processors/contract.ts'
import type { HotPartition } from './causes.ts'
import type { PartitionLook } from './trend.ts'

/** So many unread records are worth a look. */
const LEAST_LAG = 100n
/** A partition is hot if it has so many times what the partitions have on average. */
const TIMES_MEAN = 2
/** A device with less of a partition does not explain it. */
const LEAST_SHARE = 0.1

/** The partitions of a group that have much more to read than its others, the most first. */
export function hotPartitions(
  partitions: readonly PartitionLook[],
): readonly (Omit<HotPartition, 'devices'> & { readonly look: PartitionLook })[] {
  const sum = partitions.reduce((all, { lag }) => all + (lag ?? 0n), 0n)
  if (partitions.length < 2 || sum < LEAST_LAG) return []
  return partitions
    .filter(({ lag }) => (lag ?? 0n) * BigInt(partitions.length) >= BigInt(TIMES_MEAN) * sum)
    .map((look) => ({ topic: look.topic, partition: look.partition, share: Number(look.lag ?? 0n) / Number(sum), look }))
    .toSorted((a, b) => b.share - a.share)
}

/**
 * The devices with most of the records that a group has to read next in a partition: of one fetch,
 * which is what the group gets next.
 */
export async function devicesAhead(
  reader: Pick<RecordReader, 'readRange'>,
  { topic, partition, end, lag }: Pick<PartitionLook, 'topic' | 'partition' | 'end' | 'lag'>,
): Promise<HotPartition['devices']> {
  const counts = new Map<string, number>()
  let records = 0
  for await (const fetched of reader.readRange(topic as Topic, partition, end - (lag ?? 0n), end)) {
    for (const { key } of fetched) {
      const device = key?.toString('utf8') ?? ''
      counts.set(device, (counts.get(device) ?? 0) + 1)
      records++
    }
    break
  }
  return [...counts]
    .map(([device, count]) => ({ device, share: count / records }))
    .filter(({ share }) => share >= LEAST_SHARE)
    .toSorted((a, b) => b.share - a.share)
}
