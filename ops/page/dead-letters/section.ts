import { hostname, userInfo } from 'node:os'
import { setTimeout as delay } from 'node:timers/promises'
import { json, Router } from 'express'
import { z } from 'zod'
import { createRecordReader } from '../../../connectors/kafka/record-reader.ts'
import type { Settled } from '../../../connectors/postgres/redrive-log.ts'
import { createSchemaMemory } from '../../../connectors/postgres/schema-memory.ts'
import { createRegistry } from '../../../connectors/registry/registry.ts'
import type { Topic } from '../../../processors/contract.ts'
import { createDeadLetterCodec } from '../../../processors/dead-letter.ts'
import type { FoundDeadLetter } from '../../../processors/found-dead-letters.ts'
import { deadTopic } from '../../../processors/topics.ts'
import { readSchema } from '../../../schemas/files.ts'
import { sharedAnswer } from '../../../services/http-server.ts'
import { kafkaClient } from '../../../services/kafka.ts'
import { openDeadLetters } from '../../dead-letters/reader.ts'
import { describeDeadLetter } from '../../dead-letters/show.ts'
import { decoded } from '../../redrive/run.ts'
import { refuse } from '../protection.ts'
import type { OpenSection } from '../section.ts'
import { DeadLetterIndex } from './dead-letter-index.ts'
import type { DeadLettersState, DeadLetterView, NewestDeadLetters, RedriveState } from './messages.ts'
import { createRedriveRunner } from './redrive-runner.ts'

const LOOK_MS = 3_000
const RUN_MS = 500
/** Dead letters of a topic that are looked at: the newest. */
const MOST_OF_A_TOPIC = 10_000
const LISTED = 50
/** What redrives have settled is asked of the database so often. */
const SETTLED_MS = 10_000
const SETTLED_SHARE = 0.05

const place = z.object({ topic: z.string().max(249), partition: z.coerce.number().int().min(0), offset: z.string().regex(/^\d{1,19}$/) })
const listed = z.object({ topic: z.string().max(249), reason: z.string().max(200) })
const request = z.strictObject({
  processor: z.string().min(1).max(200),
  reason: z.string().min(1).max(200).nullable(),
  device: z.string().min(1).max(1_000).nullable(),
  dryRun: z.boolean(),
})

/**
 * Dead letters by topic and reason, a look inside one, and redrives: feeds `dead-letters` and
 * `redrive`. Topics are read once for everybody, and only what was added since.
 */
export const openDeadLettersSection: OpenSection = async ({ config, operator, services, action, explain, log }) => {
  const abort = new AbortController()
  const quiet = { ...log, info: () => undefined }
  const source = openDeadLetters(config, quiet, abort.signal)
  const reader = createRecordReader(kafkaClient(config, 'millrace-ops', quiet))
  // It only decodes, so the ID for encoding does not matter.
  const codec = createDeadLetterCodec(readSchema('dead-letter').json, 0)
  const registry = createRegistry(config.env.REGISTRY_URL)
  // The reader may not write what the registry has learned.
  const memory = { ...createSchemaMemory(config.env.APP_DATABASE_URL), memorise: async () => undefined }
  const runner = createRedriveRunner({ config: operator, by: `page of ${userInfo().username}@${hostname()}`, log, explain })
  const processors = new Map(services.flatMap(({ name, reasons }) => (reasons === undefined ? [] : [[deadTopic(name) as string, name]])))
  const indexes = new Map<string, DeadLetterIndex>()
  const settledOf = new Map<string, () => Promise<Settled | undefined>>()

  const settled = (topic: Topic): Promise<Settled | undefined> => {
    const shared = settledOf.get(topic) ?? sharedAnswer(SETTLED_SHARE, SETTLED_MS, () => source.settled(topic))
    settledOf.set(topic, shared)
    return shared()
  }

  async function* found(topic: Topic, partition: number, from: bigint, end: bigint): AsyncGenerator<FoundDeadLetter | null> {
    for await (const records of reader.readRange(topic, partition, from, end))
      for (const { offset, value, headers } of records) {
        const deadLetter = value === null ? undefined : decoded(codec, value)
        yield deadLetter === undefined ? null : { topic, partition, offset, deadLetter, headers }
      }
  }

  const look = sharedAnswer(SETTLED_SHARE, LOOK_MS, async (): Promise<DeadLettersState> => {
    const topics = await source.topics()
    for (const topic of indexes.keys()) if (!topics.includes(topic as Topic)) indexes.delete(topic)
    const states: DeadLettersState['topics'][number][] = []
    for (const topic of topics) {
      const index = indexes.get(topic) ?? new DeadLetterIndex(topic, MOST_OF_A_TOPIC)
      indexes.set(topic, index)
      for (const extent of index.unread(await source.extents(topic))) {
        if (extent.end > extent.earliest)
          for await (const each of found(topic, extent.partition, extent.earliest, extent.end)) index.add(each)
        index.done(extent)
      }
      states.push(index.state(processors.get(topic) ?? null, await settled(topic)))
    }
    return { at: Date.now(), topics: states }
  })

  const router = Router()
  router.get('/newest', async ({ query }, response) => {
    const asked = listed.safeParse(query)
    if (!asked.success) return refuse(response, 400, 'expected a topic and a reason')
    const { topic, reason } = asked.data
    await look()
    const answer: NewestDeadLetters = {
      deadLetters: indexes.get(topic)?.newest(reason, LISTED, await settled(topic as Topic)) ?? [],
    }
    response.json(answer)
  })
  router.get('/letter', async ({ query }, response) => {
    const asked = place.safeParse(query)
    if (!asked.success) return refuse(response, 400, 'expected the topic, the partition and the offset of a dead letter')
    const { partition } = asked.data
    const topic = (await source.topics()).find((each) => each === asked.data.topic)
    if (topic === undefined) return refuse(response, 404, 'there is no such topic of dead letters')
    const offset = BigInt(asked.data.offset)
    for await (const each of found(topic, partition, offset, offset + 1n)) {
      if (each === null) return refuse(response, 404, 'this is no dead letter')
      const view: DeadLetterView = await describeDeadLetter(each, { services, registry, memory, log: quiet })
      response.json(view)
      return
    }
    refuse(response, 404, 'Kafka does not have it any more')
  })
  router.post('/redrive', action, json({ limit: '4kb' }), async ({ body }, response) => {
    const asked = request.safeParse(body)
    if (!asked.success) return refuse(response, 400, 'expected processor, reason, device and dryRun')
    try {
      await runner.begin(asked.data)
    } catch (cause) {
      return refuse(response, 409, explain(cause))
    }
    response.status(202).json({})
  })
  router.post('/redrive/stop', action, (_request, response) => {
    runner.stop()
    response.status(202).json({})
  })

  return {
    name: 'dead-letters',
    router,
    feeds: [
      {
        name: 'dead-letters',
        silentMs: 10_000,
        async run({ publish, signal }) {
          while (!signal.aborted) {
            publish(await look())
            await delay(LOOK_MS, undefined, { signal }).catch(() => undefined)
          }
        },
      },
      {
        name: 'redrive',
        async run({ publish, signal }) {
          let before = ''
          while (!signal.aborted) {
            const state: RedriveState = { run: runner.state }
            const text = JSON.stringify(state)
            if (text !== before) publish(state)
            // What it settled is no longer open.
            if (text !== before && state.run !== null && state.run.ended !== null) settledOf.clear()
            before = text
            await delay(RUN_MS, undefined, { signal }).catch(() => undefined)
          }
        },
      },
    ],
    async [Symbol.asyncDispose]() {
      abort.abort(new Error('the page ends'))
      await runner[Symbol.asyncDispose]()
      await reader[Symbol.asyncDispose]()
    },
  }
}
