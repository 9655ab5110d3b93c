import { openAdmin } from '../connectors/kafka/client.ts'
import { addPartitions, partitionCounts } from '../connectors/kafka/topics.ts'
import { createRegistry } from '../connectors/registry/registry.ts'
import { showTopic } from '../ops/show-topic.ts'
import { table } from '../ops/text-table.ts'
import { ConfigError, loadConfig } from '../services/config.ts'
import { declaredServices } from '../services/declared.ts'
import { kafkaClient, sharedTopics } from '../services/kafka.ts'
import { createLog } from '../services/log.ts'
import type { ConfigOption } from './command-line.ts'
import { print, printAll } from './print.ts'
import { stopSignal } from './stop-signal.ts'

/**
 * `millrace topics [--partitions N]`: lists how many partitions each topic of the line has, or
 * gives all of them N. Senders take up the new partitions by themselves, once all that was sent
 * before has been read (docs/partitions.md).
 */
export async function topics({
  config: file,
  partitions: wanted,
}: ConfigOption & { readonly partitions?: number | undefined }): Promise<number> {
  const config = loadConfig(process.env, file)
  const names = sharedTopics(await declaredServices(config))
  await using admin = openAdmin(kafkaClient(config, 'millrace-topics', createLog('topics')))
  const before = await partitionCounts(admin, names)
  const more = [...before].filter(([, count]) => wanted !== undefined && count > wanted)
  if (wanted !== undefined && more.length > 0)
    throw new ConfigError(
      `--partitions ${wanted}: topics never get fewer, and ${more.map(([topic, count]) => `${topic} has ${count}`).join(', ')}`,
    )
  const fewer = [...before].filter(([, count]) => wanted !== undefined && count < wanted).map(([topic]) => topic)
  if (wanted !== undefined && fewer.length > 0) await addPartitions(admin, fewer, wanted)
  const after = fewer.length === 0 ? before : await partitionCounts(admin, names)
  print(...table([['topic', 'partitions'], ...[...after].map(([topic, count]) => [topic, String(count)])], ['left', 'right']))
  return 0
}

interface ShowOptions extends ConfigOption {
  readonly device?: string | undefined
  readonly from: number
  readonly most: number
  readonly wait: number
}

/** `millrace topics show <topic>`: the newest records of a topic, decoded. */
export async function show(topic: string, { device, from: fromMs, most, wait, config: file }: ShowOptions): Promise<number> {
  const config = loadConfig(process.env, file)
  const abort = new AbortController()
  void stopSignal().then(() => abort.abort(new Error('interrupted')))
  const log = { ...createLog('topics'), info: () => undefined }
  const kafka = kafkaClient(config, 'millrace-topics', log)
  const registry = createRegistry(config.env.REGISTRY_URL)
  const records = await showTopic({ kafka, registry, topic, device, fromMs, most, waitMs: wait * 1000, log, signal: abort.signal })
  if (records.length > 0) printAll(records)
  else process.stderr.write(`no record${device === undefined ? '' : ` of ${device}`} in ${topic} since ${new Date(fromMs).toISOString()}\n`)
  return records.length > 0 ? 0 : 1
}
