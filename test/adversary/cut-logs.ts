import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import type { Topic } from '../../processors/contract.ts'
import { cutLog, logEnd, readBatches } from '../chaos/kafka-log.ts'
import { crash, revive } from '../pipeline/local-parts.ts'

/**
 * Kafka's machine loses its power: the last `records` of each partition of these topics had not
 * been written to the disk. Batches are there whole or not at all: at least the last one goes, and
 * at least the first one stays.
 * @returns offsets that are gone, by topic
 */
export async function cutLogs(records: bigint, ...topics: readonly Topic[]): Promise<ReadonlyMap<Topic, number>> {
  await crash('kafka')
  const data = join(process.env.MILLRACE_LOCAL ?? '', 'data/kafka')
  const gone = new Map<Topic, number>()
  try {
    for (const topic of topics) {
      const partitions = readdirSync(data).filter((name) => name.replace(/-\d+$/, '') === topic)
      for (const partition of partitions) {
        const directory = join(data, partition)
        const keep = logEnd(directory) - records
        const last = lastBatch(directory)
        const cut = cutLog(directory, last !== undefined && last < keep ? last : keep)
        if (cut !== undefined) gone.set(topic, (gone.get(topic) ?? 0) + Number(cut.to - cut.from))
      }
    }
  } finally {
    await revive('kafka')
  }
  return gone
}

/** First offset of the last batch. */
function lastBatch(directory: string): bigint | undefined {
  const segment = readdirSync(directory)
    .filter((name) => name.endsWith('.log'))
    .sort()
    .at(-1)
  return segment === undefined ? undefined : readBatches(readFileSync(join(directory, segment))).at(-1)?.baseOffset
}
