import type { Log } from '../../connectors/contract.ts'
import type { KafkaClient } from '../../connectors/kafka/client.ts'
import { writtenTopics } from '../../processors/declaration.ts'
import { topics } from '../../processors/topics.ts'
import { type Config, ConfigError } from '../../services/config.ts'
import { declaredServices } from '../../services/declared.ts'
import { topicLimits } from '../../services/kafka.ts'
import { openApart } from '../../services/processor/apart.ts'
import type { Maker } from './fill.ts'

/** What the bridge writes: everything else of the line follows from it. */
const SOURCES: ReadonlySet<string> = new Set([topics.frames, topics.raw])

export interface Makers extends AsyncDisposable {
  readonly all: readonly Maker[]
}

/**
 * The processors of the configuration that make readings of what devices sent. A boot that has no
 * anchor any more gets none: its readings would have other times than those that are stored.
 * @throws ConfigError if there is none
 */
export async function openMakers(
  config: Config,
  { kafka, log, signal }: { readonly kafka: KafkaClient; readonly log: Log; readonly signal: AbortSignal },
): Promise<Makers> {
  const declared = (await declaredServices(config)).filter((service) => service.kind === 'processor')
  const making = declared.filter(
    ({ processor, writes }) => SOURCES.has(processor.from.topic) && writes.some(({ topic }) => topic === topics.readings),
  )
  if (making.length === 0) throw new ConfigError('processors: none of them makes readings of what devices send')
  const all: Maker[] = []
  const close = async (): Promise<void> => {
    for (const { apart } of all) await apart[Symbol.asyncDispose]()
  }
  try {
    for (const each of making) {
      const limits = await topicLimits(kafka, config, writtenTopics(each, 'device'))
      all.push({ declared: each, apart: await openApart(each, { config, limits, anchors: 'none', log, signal }) })
    }
  } catch (cause) {
    await close()
    throw cause
  }
  return { all, [Symbol.asyncDispose]: close }
}
