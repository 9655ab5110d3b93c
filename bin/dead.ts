import { parseArgs } from 'node:util'
import { createSchemaMemory } from '../connectors/postgres/schema-memory.ts'
import { createRegistry } from '../connectors/registry/registry.ts'
import { exportDeadLetters } from '../ops/dead-letters/export.ts'
import { deadLetterFilter, deadLetterOptions } from '../ops/dead-letters/filter-options.ts'
import { listDeadLetters } from '../ops/dead-letters/list.ts'
import { type DeadLetters, openDeadLetters } from '../ops/dead-letters/reader.ts'
import { showDeadLetter } from '../ops/dead-letters/show.ts'
import type { Topic } from '../processors/contract.ts'
import type { FoundDeadLetter } from '../processors/found-dead-letters.ts'
import { deadTopic } from '../processors/topics.ts'
import { type Config, ConfigError, loadConfig } from '../services/config.ts'
import { createLog } from '../services/log.ts'
import { print, printAll } from './print.ts'
import { sayMoments } from './say-moments.ts'
import { stopSignal } from './stop-signal.ts'

const USAGE = `  millrace dead [processor] [--reason R] [--device D] [--from T] [--to T]                list dead letters by topic and reason
  millrace dead show <topic>/<partition>/<offset>                                       one dead letter, decoded as far as it can be
  millrace dead export <processor> [--reason R] [--device D] [--from T] [--to T] [--out FILE]   dead letters as NDJSON, bytes in base64`

/** `millrace dead [show|export]`: looks at dead letters, and changes nothing. */
export async function dead(args: readonly string[]): Promise<number> {
  const { values, positionals } = parseArgs({
    args: [...args],
    options: { config: { type: 'string' }, ...deadLetterOptions, out: { type: 'string' } },
    allowPositionals: true,
  })
  const config = loadConfig(process.env, values.config)
  const filter = deadLetterFilter(values, Date.now())
  sayMoments({ '--from': filter.fromMs, '--to': filter.toMs })
  // Standard output is for dead letters.
  const log = createLog('dead')
  const abort = new AbortController()
  void stopSignal().then(() => abort.abort(new Error('interrupted')))
  const source = openDeadLetters(config, { ...log, info: () => undefined }, abort.signal)
  const [verb, name] = positionals
  switch (verb) {
    case 'show':
      return show(source, config, name)
    case 'export': {
      const topic = await existing(source, name)
      const deadLetters = await exportDeadLetters(source, topic, filter, values.out)
      if (values.out !== undefined) print(`${deadLetters} dead letters of ${topic} written to ${values.out}`)
      return 0
    }
    default: {
      const topics = verb === undefined ? await source.topics() : [await existing(source, verb)]
      printAll(await listDeadLetters(source, topics, filter, Date.now()))
      return 0
    }
  }
}

async function existing(source: DeadLetters, processor: string | undefined): Promise<Topic> {
  const topics = await source.topics()
  const topic = processor === undefined ? undefined : topics.find((each) => each === processor || each === deadTopic(processor))
  if (topic === undefined)
    throw new ConfigError(
      `dead: "${processor ?? ''}" has no dead letters; there is ${topics.join(', ') || 'no such topic at all'}\n${USAGE}`,
    )
  return topic
}

async function show(source: DeadLetters, config: Config, place: string | undefined): Promise<number> {
  const parts = /^([^/]+)\/(\d+)\/(\d+)$/.exec(place ?? '')
  if (parts === null) throw new ConfigError(`dead show: expected <topic>/<partition>/<offset>, got "${place ?? ''}"\n${USAGE}`)
  const topic = await existing(source, parts[1])
  const [partition, offset] = [Number(parts[2]), BigInt(parts[3] as string)]
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
  const sources = { registry: createRegistry(REGISTRY_URL), memory: createSchemaMemory(APP_DATABASE_URL), log: createLog('dead') }
  printAll(await showDeadLetter(deadLetter, sources))
  return 0
}
