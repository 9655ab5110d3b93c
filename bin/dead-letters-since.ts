import { type EndOffsets, endOffsets, recordsBetween } from '../connectors/kafka/records-between.ts'
import { createDeadSamples, type DeadSample } from '../ops/dead-samples.ts'
import type { Topic } from '../processors/contract.ts'
import { createDeadLetterCodec } from '../processors/dead-letter.ts'
import { deadTopic } from '../processors/topics.ts'
import { readSchema } from '../schemas/files.ts'
import type { Firmware } from '../schemas/firmware.ts'
import type { Config } from './config.ts'
import { kafkaClient } from './kafka.ts'
import { createLog } from './log.ts'
import { serviceAddresses } from './service-programs.ts'

/** A moment in the dead-letter topics. */
export type DeadLetterMark = ReadonlyMap<Topic, EndOffsets>

/** What became dead letters since a mark. */
export interface DeadLetterFinds {
  readonly samples: readonly DeadSample[]
  /** Letters that hold no sample that can be decoded. */
  readonly undecodable: number
  /** Letters by processor and reason. */
  readonly reasons: ReadonlyMap<string, number>
}

/** Reads the dead letters of some devices out of every dead-letter topic. */
export interface DeadLettersSince extends AsyncDisposable {
  mark(): Promise<DeadLetterMark>
  since(mark: DeadLetterMark, devices: ReadonlySet<string>): Promise<DeadLetterFinds>
}

/** @param firmware what writes the frames of these devices */
export async function openDeadLetters(config: Config, firmware: Firmware): Promise<DeadLettersSince> {
  const kafka = kafkaClient(config, 'millrace-demo', createLog('demo'))
  const admin = kafka.admin()
  await admin.connect()
  const topics = serviceAddresses(config).map(({ name }) => deadTopic(name))
  // Its own ID is only for writing.
  const codec = createDeadLetterCodec(readSchema('dead-letter').json, 0)
  const samplesOf = createDeadSamples(firmware, readSchema('readings').json)

  async function mark(): Promise<DeadLetterMark> {
    return new Map(await Promise.all(topics.map(async (topic) => [topic, await endOffsets(admin, topic)] as const)))
  }

  return {
    mark,
    async since(from, devices) {
      const samples: DeadSample[] = []
      const reasons = new Map<string, number>()
      let undecodable = 0
      for (const [topic, to] of await mark()) {
        await recordsBetween(kafka, { topic, from: from.get(topic) ?? new Map(), to }, ({ key, value }) => {
          if (value === null) return
          const letter = codec.decode(value)
          const device = letter.key?.toString('latin1') ?? key?.toString('latin1') ?? letter.source_topic.split('/')[1]
          if (device === undefined || !devices.has(device)) return
          const dead = samplesOf(letter)
          samples.push(...dead)
          if (dead.length === 0) undecodable++
          const reason = `${letter.processor} ${letter.reason}`
          reasons.set(reason, (reasons.get(reason) ?? 0) + 1)
        })
      }
      return { samples, undecodable, reasons }
    },
    async [Symbol.asyncDispose]() {
      await admin.disconnect()
    },
  }
}
