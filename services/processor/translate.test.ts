import { readdirSync, readFileSync } from 'node:fs'
import { expect } from 'chai'
import fc from 'fast-check'
import { avroOutput } from '../../processors/avro.ts'
import type { Lookups, RecordPart } from '../../processors/contract.ts'
import { readings, topics } from '../../processors/topics.ts'
import { compileDialect } from '../../processors/translate/dialect.ts'
import { processor } from '../../processors/translate/processor.ts'
import { projectRoot } from '../../schemas/files.ts'
import { rawSchema } from '../../schemas/generated/raw.ts'
import { parseDialect } from '../../schemas/parse-dialect.ts'
import { createEngine, createEngineCounters, DEFECT } from './engine.ts'

const NOW_MS = Date.UTC(2026, 10, 29, 6)
const folder = `${projectRoot}schemas/dialects/`
const dialects = readdirSync(folder)
  .filter((name) => name.endsWith('.yaml'))
  .map((name) => compileDialect(parseDialect(readFileSync(folder + name, 'utf8'), name), {}))
const encode = avroOutput(topics.raw, rawSchema).encoder(1, 10_000_000)

describe('translate, in its engine, with every dialect that Millrace comes with', () => {
  const engine = createEngine({
    name: 'translate',
    processor: processor as never,
    schemaIds: { readings: 4 },
    limits: new Map([[readings.topic, 1_000_000]]),
    deadLetters: () => [],
  })
  const lookups: Lookups = {
    firmware: () => ({ tag: 'unknown' }),
    assignments: () => [],
    speaksFor: () => true,
    anchor: () => Number.NaN,
    schema: () => rawSchema.json,
    dialect: (topic) => {
      for (const dialect of dialects) {
        const captures = dialect.match(topic)
        if (captures !== undefined) return { dialect, captures }
      }
      return undefined
    },
  }
  /** A topic of each dialect: every capture is a device. */
  const aTopic = fc.constantFrom(...dialects.flatMap((dialect) => dialect.topics.map(({ text }) => text.replace(/\{[^}]*\}/g, 'a1'))))
  const aPart = fc.option(fc.record({ samples: fc.uniqueArray(fc.nat({ max: 3 })), quantities: fc.constantFrom([], ['temperature']) }), {
    nil: undefined,
  })

  /** Outcomes of one record, by kind. */
  function outcomes(value: Buffer, only: RecordPart | undefined): Readonly<Record<string, number>> {
    const counters = createEngineCounters()
    const record = { key: Buffer.from('a1'), value, timestampMs: NOW_MS, offset: 0n, ...(only === undefined ? {} : { only }) }
    engine([record], { topic: topics.raw, partition: 0, nowMs: NOW_MS }, lookups, counters)
    const sum = (counts: ReadonlyMap<string, number>): number => [...counts.values()].reduce((all, each) => all + each, 0)
    return {
      emitted: counters.emitted,
      dropped: sum(counters.dropped),
      rejected: sum(counters.rejected),
      defects: counters.rejected.get(DEFECT) ?? 0,
    }
  }

  it('leaves no message without an outcome, and has no defect, whatever is published', () => {
    const payload = fc.oneof(
      fc.json().map((text) => Buffer.from(text)),
      fc.uint8Array({ maxLength: 200 }).map((bytes) => Buffer.from(bytes)),
      fc.oneof(fc.double(), fc.string()).map((text) => Buffer.from(String(text))),
    )
    fc.assert(
      fc.property(aTopic, payload, aPart, (topic, bytes, only) => {
        const value = encode({ topic, payload: bytes, received: NOW_MS * 1000, retained: false }) as Buffer
        const { emitted = 0, dropped = 0, rejected = 0, defects } = outcomes(value, only)
        expect(emitted + dropped + rejected, topic).to.be.greaterThan(0)
        expect(defects, topic).to.equal(0)
      }),
      { numRuns: 2000 },
    )
  })

  it('makes one dead letter of a record that is none of its topic', () => {
    const whole = encode({
      topic: 'devices/a1/telemetry',
      payload: Buffer.from('{"temperature":1}'),
      received: NOW_MS * 1000,
      retained: false,
    })
    for (let length = 0; length < (whole as Buffer).length; length++)
      expect(outcomes((whole as Buffer).subarray(0, length), undefined), `${length} bytes`).to.deep.equal({
        emitted: 0,
        dropped: 0,
        rejected: 1,
        defects: 0,
      })
  })
})
