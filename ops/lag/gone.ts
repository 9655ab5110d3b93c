import { whole } from '../figures.ts'
import type { GroupPartitionLag } from './lag-table.ts'

/** What a group can no longer read of a partition. */
export type GonePartition = Pick<GroupPartitionLag, 'topic' | 'partition' | 'gone'>

/**
 * What groups can no longer read, in words: a line for each topic and kind of loss. It is so until
 * the group has gone on, which puts its position right and counts what it lost.
 */
export function describeGone(partitions: readonly GonePartition[]): readonly string[] {
  return [...new Set(partitions.map(({ topic }) => topic))].flatMap((topic) => {
    const of = (tag: GonePartition['gone']['tag']): readonly GonePartition[] =>
      partitions.filter((each) => each.topic === topic && each.gone.tag === tag)
    const [deleted, recreated, cut] = [of('deleted'), of('recreated'), of('cut')]
    const offsets = deleted.reduce((sum, { gone }) => sum + (gone.tag === 'deleted' ? gone.offsets : 0n), 0n)
    return [
      ...(deleted.length === 0 ? [] : [`Kafka has deleted ${whole(offsets)} records of ${places(topic, deleted)} that it had not read`]),
      ...(cut.length === 0 ? [] : [`the log of ${places(topic, cut)} ends before its position: it goes back to where the log was cut`]),
      ...(recreated.length === 0 ? [] : [`${places(topic, recreated)} was deleted and made again: it begins at the first record`]),
    ]
  })
}

function places(topic: string, partitions: readonly GonePartition[]): string {
  return partitions.map(({ partition }, index) => (index === 0 ? `${topic}/${partition}` : `/${partition}`)).join(', ')
}
