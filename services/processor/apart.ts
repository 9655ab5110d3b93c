import type { Log } from '../../connectors/contract.ts'
import type { KafkaRecord, OutgoingRecord, Topic } from '../../processors/contract.ts'
import { createDeadLetterCodec, type DeadLetterCodec } from '../../processors/dead-letter.ts'
import { createDeadLetterWriter } from '../../processors/dead-letter-writer.ts'
import type { DeclaredProcessor } from '../../processors/declaration.ts'
import { deadLetterSchema } from '../../schemas/generated/dead-letter.ts'
import type { NewAnchors } from '../boot-anchors.ts'
import type { Config } from '../config.ts'
import { openLookups } from '../lookups.ts'
import { version } from '../version.ts'
import { addCounters, createEngine, createEngineCounters, type EngineCounters, type EngineResult, type Origin } from './engine.ts'
import { outputHeaders } from './service.ts'

export interface ApartOptions {
  readonly config: Config
  /** Largest value of a record that the topic of each output takes. */
  readonly limits: ReadonlyMap<Topic, number>
  readonly anchors: NewAnchors
  readonly log: Log
  readonly signal: AbortSignal
}

/** A processor that runs over records, apart from its service: nothing is sent or written. */
export interface ProcessorApart extends AsyncDisposable {
  /** Of its dead letters, which have schema ID 0, as all its outputs. */
  readonly codec: DeadLetterCodec
  /** Makes look-ups for these records definitive; waits through outages. */
  prepare(records: readonly KafkaRecord[]): Promise<void>
  /**
   * What it gives for records that were prepared, dead letters among it, by the look-ups of now.
   * Waits through outages.
   */
  run(records: readonly KafkaRecord[], origin: Origin, counters?: EngineCounters): Promise<readonly OutgoingRecord[]>
  /** What its dialects are made of, as they are now. */
  dialects(): readonly unknown[]
}

/** Reads the registry and the app database once before it resolves, through outages. */
export async function openApart({ name, processor }: DeclaredProcessor, options: ApartOptions): Promise<ProcessorApart> {
  const { config, limits, anchors, log, signal } = options
  const lookups = await openLookups(processor, { config, log, signal, readOnly: true, anchors })
  const codec = createDeadLetterCodec(deadLetterSchema.json, 0)
  const engine = createEngine({
    name,
    processor,
    // Its schemas may not be registered, and are not registered here.
    schemaIds: Object.fromEntries(Object.keys(processor.to).map((output) => [output, 0])),
    headers: outputHeaders(processor),
    limits,
    deadLetters: createDeadLetterWriter({
      processor: name,
      version,
      codec,
      deadLetterBytes: Number.POSITIVE_INFINITY,
      headBytes: 0,
      counters: { referenced: 0 },
    }),
  })
  return {
    codec,
    prepare: (records) => lookups.prepare(records),
    async run(records, origin, counters = createEngineCounters()) {
      let own = createEngineCounters()
      let names: ReturnType<typeof lookups.unsure> = new Set()
      const once = (unsure: () => boolean): EngineResult => {
        own = createEngineCounters()
        return engine(records, origin, lookups, own, unsure)
      }
      let result = once(() => {
        names = lookups.unsure()
        return names.size > 0
      })
      if (result.unsure === true) {
        await lookups.settle(names)
        result = once(() => false)
      }
      addCounters(counters, own)
      return result.sent
    },
    dialects: () => lookups.dialects().map((dialect) => lookups.dialectSource(dialect) ?? null),
    [Symbol.asyncDispose]: () => lookups[Symbol.asyncDispose](),
  }
}
