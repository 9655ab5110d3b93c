import { createRecordReader } from '../../connectors/kafka/record-reader.ts'
import { type Extent, scanTopic, topicExtents } from '../../connectors/kafka/scan.ts'
import type { Topic } from '../../processors/contract.ts'
import { createDeadLetterCodec } from '../../processors/dead-letter.ts'
import { deadTopics } from '../../processors/declaration.ts'
import { readFirmwares, readSchema } from '../../schemas/files.ts'
import type { Firmware } from '../../schemas/firmware.ts'
import { readingsSchema } from '../../schemas/generated/readings.ts'
import type { Config } from '../../services/config.ts'
import { declaredServices } from '../../services/declared.ts'
import { kafkaClient } from '../../services/kafka.ts'
import { createLog } from '../../services/log.ts'
import { originalsOf } from '../redrive/originals.ts'
import { createDeadSamples, type DeadSample } from './dead-samples.ts'

/** A moment in the dead-letter topics. */
export type DeadLetterMark = ReadonlyMap<Topic, readonly Extent[]>

/** What became dead letters since a mark. */
export interface DeadLetterFinds {
  readonly samples: readonly DeadSample[]
  /** Dead letters that hold no sample that can be decoded. */
  readonly undecodable: number
  /** Samples, and dead letters that hold none, by processor and reason. */
  readonly reasons: ReadonlyMap<string, number>
}

/** Reads the dead letters of some devices out of every dead-letter topic. */
export interface DeadLettersSince {
  mark(): Promise<DeadLetterMark>
  since(mark: DeadLetterMark, devices: ReadonlySet<string>): Promise<DeadLetterFinds>
}

/** @param firmware what writes the frames of these devices; undefined if they send JSON */
export async function deadLettersSince(config: Config, firmware: Firmware | undefined, signal: AbortSignal): Promise<DeadLettersSince> {
  const log = createLog('demo')
  const kafka = kafkaClient(config, 'millrace-demo', log)
  const topics = deadTopics(await declaredServices(config))
  // It only decodes, so the ID for encoding does not matter.
  const codec = createDeadLetterCodec(readSchema('dead-letter').json, 0)
  const samplesOf = createDeadSamples(firmware ?? bridgesFirmware(), readingsSchema.json, readSchema('raw').json)

  async function mark(): Promise<DeadLetterMark> {
    return new Map(await Promise.all(topics.map(async (topic) => [topic, await topicExtents(kafka, topic)] as const)))
  }

  return {
    mark,
    async since(from, devices) {
      const samples: DeadSample[] = []
      const reasons = new Map<string, number>()
      let undecodable = 0
      await using reader = createRecordReader(kafka)
      for (const [topic, now] of await mark()) {
        const extents = now.map((extent) => after(extent, from.get(topic) ?? []))
        const handle = async ({ records }: { readonly records: readonly { readonly value: Buffer | null }[] }): Promise<void> => {
          for (const { value } of records) {
            if (value === null) continue
            const deadLetter = codec.decode(value)
            // A dead letter of the bridge may have no key. Then the device is a level of the MQTT
            // topic.
            const device = deadLetter.key?.toString('latin1') ?? deadLetter.source_topic.split('/')[1]
            if (device === undefined || !devices.has(device)) continue
            const reason = `${deadLetter.processor} ${deadLetter.reason}`
            const count = (more: number): void => void reasons.set(reason, (reasons.get(reason) ?? 0) + more)
            const { deadLetters, gone } = await originalsOf({ topic, partition: 0, offset: 0n, deadLetter, headers: undefined }, reader)
            undecodable += gone
            if (gone > 0) count(gone)
            for (const each of deadLetters) {
              const dead = samplesOf(each.deadLetter)
              for (const sample of dead) samples.push(sample)
              if (dead.length === 0) undecodable++
              count(Math.max(1, dead.length))
            }
          }
        }
        await scanTopic({ kafka, topic, extents, log, signal, handle })
      }
      return { samples, undecodable, reasons }
    },
  }
}

/** The part of a partition that came after the mark. */
function after(extent: Extent, marks: readonly Extent[]): Extent {
  const end = marks.find(({ partition }) => partition === extent.partition)?.end ?? extent.earliest
  return { ...extent, earliest: end > extent.earliest ? end : extent.earliest }
}

/** What the bridge writes of JSON. */
function bridgesFirmware(): Firmware | undefined {
  return readFirmwares().find(({ firmware }) => firmware.id === 'generic-json')?.firmware
}
