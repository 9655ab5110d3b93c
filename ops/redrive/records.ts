import type { RecordProducer } from '../../connectors/contract.ts'
import type { OutgoingRecord, Topic } from '../../processors/contract.ts'
import type { DeadLetterCodec } from '../../processors/dead-letter.ts'
import type { FoundDeadLetter } from '../../processors/found-dead-letters.ts'
import type { Attempt, RedriveWay } from './way.ts'

/** What a processor gave for one dead letter: the records to send, its dead letters among them. */
export interface Processed {
  readonly records: readonly OutgoingRecord[]
  readonly dropped: string | null
}

export interface RecordsWayOptions {
  /** Where the processor's dead letters go. */
  readonly dead: Topic
  readonly codec: DeadLetterCodec
  readonly producer: RecordProducer
  /** Makes lookups definitive for these dead letters; waits through outages. */
  readonly prepare: (deadLetters: readonly FoundDeadLetter[]) => Promise<void>
  /** The processor, over one dead letter. */
  readonly processRecord: (found: FoundDeadLetter) => Processed
  readonly close: () => Promise<void>
}

/** The way for processors that write to Kafka: the bridge, and those that the engine runs. */
export function createRecordsWay({ dead, codec, producer, prepare, processRecord, close }: RecordsWayOptions): RedriveWay {
  async function processed(deadLetters: readonly FoundDeadLetter[]): Promise<readonly Processed[]> {
    await prepare(deadLetters)
    return deadLetters.map(processRecord)
  }

  function attempt({ records, dropped }: Processed): Attempt {
    const again = records.filter(({ topic }) => topic === dead).map(({ value }) => codec.decode(value))
    return { outputs: records.length - again.length, dropped, again }
  }

  return {
    output: { noun: 'record', verb: 'written' },
    async attempt(deadLetters) {
      const all = await processed(deadLetters)
      const outputs = all.flatMap(({ records }) => records.filter(({ topic }) => topic !== dead))
      if (outputs.length > 0) await producer.send(outputs)
      return all.map(attempt)
    },
    dryRun: async (deadLetters) => (await processed(deadLetters)).map(attempt),
    [Symbol.asyncDispose]: close,
  }
}
