import type { KafkaClient } from '../../connectors/kafka/client.ts'
import { createDeadLetterCodec } from '../../processors/dead-letter.ts'
import { deadTopics } from '../../processors/declaration.ts'
import { readSchema } from '../../schemas/files.ts'
import { declaredServices } from '../../services/declared.ts'
import { isHostile } from './hostile.ts'
import { JSON_DEVICE, type Poison } from './publisher.ts'
import { PROCESSORS } from './services.ts'
import { readTopic } from './topic-reader.ts'

/** What the dead letters say. */
export interface DeadLetters {
  /** Poison that became a dead letter with the right reason. */
  readonly rightly: number
  /** Poison that did not. */
  readonly lost: readonly Poison[]
  /** Dead letters of something good: an outage must never make one. */
  readonly wrongly: readonly string[]
  /** Dead letters of hostile devices. */
  readonly hostile: number
}

/** Reads every topic of dead letters. Repeats of a dead letter are one: redelivery makes them. */
export async function readDeadLetters(
  kafka: KafkaClient,
  poison: readonly Poison[],
  isFleet: (device: string) => boolean,
): Promise<DeadLetters> {
  const codec = createDeadLetterCodec(readSchema('dead-letter').json, 0)
  const waiting = new Map<string, Poison[]>()
  for (const each of poison) {
    const place = `${each.deadLetters} ${each.reason}`
    waiting.set(place, [...(waiting.get(place) ?? []), each])
  }
  const found = new Set<Poison>()
  const wrongly = new Set<string>()
  let hostile = 0
  for (const topic of deadTopics(await declaredServices({ processors: PROCESSORS }))) {
    await readTopic(kafka, topic, ({ value }) => {
      if (value === null) return
      const { key, value: original, reason, detail, source_topic } = codec.decode(value)
      const device = key?.toString('latin1') ?? ''
      if (isHostile(device) || source_topic.split('/').some(isHostile)) {
        hostile++
        return
      }
      const match = (waiting.get(`${topic} ${reason}`) ?? []).find(({ mark }) => original?.includes(mark) || key?.includes(mark))
      if (match !== undefined) found.add(match)
      if (match === undefined || isFleet(device) || device === JSON_DEVICE)
        wrongly.add(`${topic} ${source_topic} ${device} ${reason}: ${detail}`)
    })
  }
  return { rightly: found.size, lost: poison.filter((each) => !found.has(each)), wrongly: [...wrongly], hostile }
}
