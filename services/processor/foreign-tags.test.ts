import { expect } from 'chai'
import { avroOutput } from '../../processors/avro.ts'
import type { KafkaRecord, Lookups } from '../../processors/contract.ts'
import { readings, topics } from '../../processors/topics.ts'
import { compileDialect } from '../../processors/translate/dialect.ts'
import { processor } from '../../processors/translate/processor.ts'
import { rawSchema } from '../../schemas/generated/raw.ts'
import { parseDialect } from '../../schemas/parse-dialect.ts'
import { Breaker, type Turned } from '../breaker.ts'
import { createEngine, createEngineCounters } from './engine.ts'

const NOW_MS = Date.UTC(2026, 10, 29, 6)
const dialect = compileDialect(
  parseDialect(
    `
dialect: barn
version: 1
payload: json
topics: ["barn/{gateway}/all"]
key: "{gateway}"
device: { path: "@.tag" }
time: [{ path: "@.at", format: unix-ms }]
samples:
  - each: "$.tags[*]"
    quantities: { temperature: { path: "@.t" } }
`,
    'barn.yaml',
  ),
  {},
)
const encode = avroOutput(topics.raw, rawSchema).encoder(1, 1_000_000)

function message(gateway: string, tags: readonly string[]): KafkaRecord {
  const payload = Buffer.from(JSON.stringify({ tags: tags.map((tag) => ({ tag, at: NOW_MS, t: 1 })) }))
  const value = encode({ topic: `barn/${gateway}/all`, payload, received: NOW_MS * 1000, retained: false }) as Buffer
  return { key: Buffer.from(gateway), value, timestampMs: NOW_MS, offset: 0n }
}

describe('gateways that hear 1,306 foreign tags, twenty of them', () => {
  const gateways = Array.from({ length: 20 }, (_, index) => `gate${index}`)
  const foreign = Array.from({ length: 1306 }, (_, index) => `foreign${index}`)
  const known = new Set(gateways.map((gateway) => `${gateway}-tag`))
  let breaker: Breaker

  const engine = createEngine({
    name: 'translate',
    processor: processor as never,
    schemaIds: { readings: 4 },
    limits: new Map([[readings.topic, 1_000_000]]),
    deadLetters: () => [],
  })

  /** What the breaker says of a batch; it is written if it says nothing. */
  function judge(records: readonly KafkaRecord[]): Turned | undefined {
    const lookups: Lookups = {
      firmware: () => ({ tag: 'unknown' }),
      assignments: (device) => (known.has(device) ? [] : undefined),
      speaksFor: (gateway, device) => device === `${gateway}-tag`,
      anchor: () => Number.NaN,
      schema: () => rawSchema.json,
      dialect: (topic) => {
        const captures = dialect.match(topic)
        return captures === undefined ? undefined : { dialect, captures }
      },
    }
    const { judged = records, bad } = engine(records, { topic: topics.raw, partition: 0, nowMs: NOW_MS }, lookups, createEngineCounters())
    const turned = breaker.judge(judged, bad, NOW_MS)
    if (turned === undefined) breaker.passed(judged, bad, NOW_MS)
    return turned
  }

  beforeEach(() => {
    breaker = new Breaker({ share: 0.05, minimumDevices: 10, longestMs: 3_600_000 })
    known.clear()
    for (const gateway of gateways) known.add(`${gateway}-tag`)
    // All of them are good at first.
    expect(judge(gateways.map((gateway) => message(gateway, [`${gateway}-tag`])))).to.equal(undefined)
  })

  it('do not count as turned bad, and stop nobody', () => {
    expect(judge(gateways.flatMap((gateway) => [1, 2, 3].map(() => message(gateway, foreign))))).to.equal(undefined)
  })

  it('but a table of devices that is lost stops their partitions: their own tags have turned bad', () => {
    known.clear()
    const records = gateways.flatMap((gateway) => [1, 2, 3].map(() => message(gateway, [...foreign, `${gateway}-tag`])))
    expect(judge(records)).to.deep.equal({ turned: 20, devices: 40 })
  })
})
