import type { RecordProducer } from '../../connectors/contract.ts'
import type { OutgoingRecord, Topic } from '../../processors/contract.ts'
import type { DeadLetterCodec } from '../../processors/dead-letter.ts'
import type { FoundLetter } from '../../processors/letters.ts'
import type { Attempt, RedriveWay } from './way.ts'

/** What a processor gave for one letter: as it would be sent, its dead letters among it. */
export interface Processed {
  readonly records: readonly OutgoingRecord[]
  readonly dropped: string | null
}

export interface RecordsWayOptions {
  /** Where the processor's dead letters go. */
  readonly dead: Topic
  readonly deadLetters: DeadLetterCodec
  readonly producer: RecordProducer
  /** Makes lookups definitive for these letters; waits through outages. */
  readonly prepare: (letters: readonly FoundLetter[]) => Promise<void>
  /** The processor, over one letter. */
  readonly process: (found: FoundLetter) => Processed
  readonly close: () => Promise<void>
}

/** The way for processors that write to Kafka: the bridge, and those that the engine runs. */
export function createRecordsWay({ dead, deadLetters, producer, prepare, process, close }: RecordsWayOptions): RedriveWay {
  async function processed(letters: readonly FoundLetter[]): Promise<readonly Processed[]> {
    await prepare(letters)
    return letters.map(process)
  }

  function attempt({ records, dropped }: Processed): Attempt {
    const again = records.filter(({ topic }) => topic === dead).map(({ value }) => deadLetters.decode(value))
    return { outputs: records.length - again.length, dropped, again }
  }

  return {
    output: { noun: 'record', verb: 'written' },
    async attempt(letters) {
      const all = await processed(letters)
      const outputs = all.flatMap(({ records }) => records.filter(({ topic }) => topic !== dead))
      if (outputs.length > 0) await producer.send(outputs)
      return all.map(attempt)
    },
    rehearse: async (letters) => (await processed(letters)).map(attempt),
    [Symbol.asyncDispose]: close,
  }
}
