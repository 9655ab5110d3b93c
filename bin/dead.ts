import { createSchemaMemory } from '../connectors/postgres/schema-memory.ts'
import { createRegistry } from '../connectors/registry/registry.ts'
import { exportDeadLetters } from '../ops/dead-letters/export.ts'
import { listDeadLetters } from '../ops/dead-letters/list.ts'
import { type DeadLetters, openDeadLetters } from '../ops/dead-letters/reader.ts'
import { showDeadLetter } from '../ops/dead-letters/show.ts'
import type { Topic } from '../processors/contract.ts'
import type { DeadLetterFilter, FoundDeadLetter } from '../processors/found-dead-letters.ts'
import { deadTopic } from '../processors/topics.ts'
import { type Config, ConfigError, loadConfig } from '../services/config.ts'
import { declaredServices } from '../services/declared.ts'
import { createLog } from '../services/log.ts'
import type { ConfigOption } from './command-line.ts'
import { deadLetterFilter } from './dead-letter-options.ts'
import { print, printAll } from './print.ts'
import { sayMoments } from './say-moments.ts'
import { stopSignal } from './stop-signal.ts'

type Filter = ConfigOption & Parameters<typeof deadLetterFilter>[0]

/** `millrace dead [processor]`: dead letters by topic and reason. */
export async function listDead(processor: string | undefined, options: Filter): Promise<number> {
  const { source, filter } = open(options)
  const topics = processor === undefined ? await source.topics() : [await existing(source, processor)]
  printAll(await listDeadLetters(source, topics, filter, Date.now()))
  return 0
}

/** `millrace dead export`: dead letters as NDJSON, to a file or standard output. */
export async function exportDead(processor: string, options: Filter & { readonly out?: string | undefined }): Promise<number> {
  const { source, filter } = open(options)
  const topic = await existing(source, processor)
  const deadLetters = await exportDeadLetters(source, topic, filter, options.out)
  if (options.out !== undefined) print(`${deadLetters} dead letters of ${topic} written to ${options.out}`)
  return 0
}

/** The dead letters, and the filter. Standard output is for the dead letters only. */
function open(options: Filter): { readonly config: Config; readonly source: DeadLetters; readonly filter: DeadLetterFilter } {
  const config = loadConfig(process.env, options.config)
  const filter = deadLetterFilter(options)
  sayMoments({ '--from': filter.fromMs, '--to': filter.toMs })
  const abort = new AbortController()
  void stopSignal().then(() => abort.abort(new Error('interrupted')))
  return { config, filter, source: openDeadLetters(config, { ...createLog('dead'), info: () => undefined }, abort.signal) }
}

async function existing(source: DeadLetters, processor: string): Promise<Topic> {
  const topics = await source.topics()
  const topic = topics.find((each) => each === processor || each === deadTopic(processor))
  if (topic === undefined)
    throw new ConfigError(`"${processor}" has no dead letters; there is ${topics.join(', ') || 'no such topic at all'}`)
  return topic
}

/** `millrace dead show`: one dead letter, decoded as far as it can be. */
export async function showDead(place: string, options: ConfigOption): Promise<number> {
  const { config, source } = open(options)
  const [, name, number, at] = /^([^/]+)\/(\d+)\/(\d+)$/.exec(place) ?? []
  if (name === undefined || number === undefined || at === undefined)
    throw new ConfigError(`expected <topic>/<partition>/<offset>, got ${JSON.stringify(place)}`)
  const topic = await existing(source, name)
  const [partition, offset] = [Number(number), BigInt(at)]
  const extent = (await source.extents(topic)).find((each) => each.partition === partition)
  if (extent === undefined || offset < extent.earliest || offset >= extent.end)
    throw new ConfigError(
      extent === undefined
        ? `${topic} has no partition ${partition}`
        : `${topic}/${partition} has no offset ${offset}: it has ${extent.earliest} up to, not including, ${extent.end}`,
    )
  let deadLetter: FoundDeadLetter | null = null
  await source.read(
    topic,
    (found) => {
      deadLetter ??= found
    },
    [{ partition, earliest: offset, end: offset + 1n }],
  )
  if (deadLetter === null) {
    print(`${place} is no dead letter`)
    return 1
  }
  const { REGISTRY_URL, APP_DATABASE_URL } = config.env
  const sources = {
    services: await declaredServices(config),
    registry: createRegistry(REGISTRY_URL),
    memory: createSchemaMemory(APP_DATABASE_URL),
    log: createLog('dead'),
  }
  printAll(await showDeadLetter(deadLetter, sources))
  return 0
}
