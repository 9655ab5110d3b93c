import { readdirSync } from 'node:fs'
import { join } from 'node:path'
import type { Topic } from '../../processors/contract.ts'
import { cutLog, logEnd } from '../chaos/kafka-log.ts'
import { crash, revive } from '../pipeline/local-parts.ts'

/**
 * Kafka's machine loses its power: the last `records` of each partition of these topics, or all but one batch, had not been written to the disk.
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
        const cut = cutLog(join(data, partition), logEnd(join(data, partition)) - records)
        if (cut !== undefined) gone.set(topic, (gone.get(topic) ?? 0) + Number(cut.to - cut.from))
      }
    }
  } finally {
    await revive('kafka')
  }
  return gone
}
