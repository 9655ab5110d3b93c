import { expect } from 'chai'
import {
  defineProcessor,
  drop,
  emit,
  type KafkaRecord,
  type Lookups,
  type Output,
  type RecordPart,
  reject,
  type Topic,
} from '../../processors/contract.ts'
import { createDeadLetterCodec, type DeadLetterCodec } from '../../processors/dead-letter.ts'
import { createDeadLetterWriter } from '../../processors/dead-letter-writer.ts'
import { readSchema } from '../../schemas/files.ts'
import { MalformedError } from '../../schemas/frame-reader.ts'
import { createEngine, createEngineCounters, DEFECT, type Engine, type EngineCounters, TOO_LARGE, UNDECODABLE } from './engine.ts'

const alerts: Output<string> = {
  topic: 'alerts' as Topic,
  schema: { path: 'alert.avsc', json: 'string' },
  encoder: (schemaId) => (text) => Buffer.from(`${schemaId}:${text}`),
}

const processor = defineProcessor({
  from: {
    topic: 'words' as Topic,
    decode: (
      { value }: KafkaRecord,
      _lookups: Lookups,
      each: (word: string, sample: number | null) => void,
      leaveOut?: (reason: string) => void,
    ) => {
      if (value === null) throw new MalformedError('no value')
      String(value)
        .split(' ')
        .forEach((word, index) => {
          if (word === '') leaveOut?.('empty')
          else each(word, index)
        })
    },
  },
  to: { alerts },
  needs: [],
  reasons: { rude: { means: 'a rude word', whatToDo: 'be polite' } },
  handle: (word: string) => {
    switch (word) {
      case 'dull':
        return drop('dull')
      case 'rude':
        return reject('rude', `"${word}"`)
      case 'strange':
        return reject('rude', 'of three quantities', [0], ['made-up-1', 'made-up-2', 'brood/temperature'])
      case 'both':
        return [emit('alerts', 'both'), reject('rude', 'half of it')]
      case 'undocumented':
        return reject('unheard-of' as 'rude', 'x')
      case 'throws':
        throw new TypeError('a defect')
      case 'for-cow':
        return emit('alerts', word, Buffer.from('cow'))
      case 'against-cow':
        return reject('rude', 'of the cow', [], [], Buffer.from('cow'))
      case 'against-ox':
        return reject('rude', 'of the ox', [], [], Buffer.from('ox'))
      default:
        return emit('alerts', word)
    }
  },
})

const headers = [{ name: 'fp', value: Buffer.from('8 bytes!') }]

interface EngineParts {
  readonly engine: Engine
  readonly records: readonly KafkaRecord[]
  readonly lookups: Lookups
  readonly codec: DeadLetterCodec
}

function parts(values: readonly (string | null)[], only?: RecordPart): EngineParts {
  const codec = createDeadLetterCodec(readSchema('dead-letter').json, 9)
  const engine = createEngine({
    name: 'words',
    processor: processor as never,
    schemaIds: { alerts: 4 },
    limits: new Map([['alerts' as Topic, 12]]),
    deadLetters: createDeadLetterWriter({
      processor: 'words',
      version: '1.2.3',
      codec,
      deadLetterBytes: 1_000_000,
      headBytes: 0,
      counters: { referenced: 0 },
    }),
  })
  const records = values.map((value) => ({
    key: Buffer.from('hive'),
    value: value === null ? null : Buffer.from(value),
    timestampMs: 5,
    offset: 42n,
    headers,
    ...(only === undefined ? {} : { only }),
  }))
  const lookups: Lookups = {
    firmware: () => ({ tag: 'unknown' }),
    assignments: () => undefined,
    anchor: () => Number.NaN,
    schema: () => undefined,
    speaksFor: () => false,
    dialect: () => undefined,
  }
  return { engine, records, lookups, codec }
}

function run(
  value: string | null,
  only?: RecordPart,
  unsure?: () => boolean,
): { sent: string[]; deadLetters: unknown[]; headers: unknown[]; keys: string[]; counters: EngineCounters; bad: readonly number[] } {
  const counters = createEngineCounters()
  const { engine, records, lookups, codec } = parts([value], only)
  const { sent: outgoing, bad } = engine(records, { topic: 'words' as Topic, partition: 3, nowMs: 77 }, lookups, counters, unsure)
  return {
    sent: outgoing.filter(({ topic }) => topic === 'alerts').map((sent) => String(sent.value)),
    deadLetters: outgoing.filter(({ topic }) => topic === 'words.dead').map((sent) => codec.decode(sent.value)),
    headers: outgoing.map((sent) => sent.headers),
    keys: outgoing.map((sent) => String(sent.key)),
    counters,
    bad,
  }
}

/** Whom an engine has judged, and how. */
function judged(...values: readonly string[]): readonly string[] {
  const { engine, records, lookups } = parts(values)
  const { judged = records, bad } = engine(records, { topic: 'words' as Topic, partition: 3, nowMs: 77 }, lookups, createEngineCounters())
  return judged.map(({ key }, index) => `${key?.toString()} ${bad.includes(index) ? 'bad' : 'good'}`)
}

describe('the engine that runs processors', () => {
  it('sends an output under the key that the processor gives it, else under that of the record', () => {
    expect(run('one for-cow').keys).to.deep.equal(['hive', 'cow'])
  })

  it('judges each device of a record that is about several, and its sender only for what is about no other', () => {
    expect(judged('one', 'rude')).to.deep.equal(['hive good', 'hive bad'])
    expect(judged('one', 'for-cow against-ox', 'rude')).to.deep.equal(['hive good', 'hive good', 'cow good', 'ox bad', 'hive bad'])
    expect(judged('for-cow against-cow')).to.deep.equal(['hive good', 'cow bad'])
    expect(judged('for-cow rude')).to.deep.equal(['hive bad', 'cow good'])
    // Nothing came of the record, and nothing was its sender's own.
    expect(judged('against-cow against-ox')).to.deep.equal(['cow bad', 'ox bad'])
    // What was sent of it is taken back.
    expect(judged('for-cow throws')).to.deep.equal(['hive bad'])
  })

  it('gives nothing, not even a dead letter, if a look-up had no certain answer', () => {
    const { sent, deadLetters, bad } = run('one rude', undefined, () => true)
    expect([sent, deadLetters, bad]).to.deep.equal([[], [], []])
  })

  it('emits, drops and rejects as the processor says, and counts each, and what its source drops', () => {
    const { sent, deadLetters, counters } = run('one dull rude two both ')
    expect(sent).to.deep.equal(['4:one', '4:two', '4:both'])
    expect(deadLetters).to.have.length(1)
    expect(deadLetters[0]).to.deep.include({ samples: [2, 4], detail: '"rude"; half of it' })
    expect(counters).to.deep.equal({
      records: 1,
      emitted: 3,
      dropped: new Map([
        ['dull', 1],
        ['empty', 1],
      ]),
      rejected: new Map([['rude', 1]]),
      rejectedValues: new Map(),
    })
  })

  it('counts refused values by the quantities that there are: names that a device makes up add no label', () => {
    expect(run('strange').counters.rejectedValues).to.deep.equal(
      new Map([
        [
          'rude',
          new Map([
            ['other', 2],
            ['temperature', 1],
          ]),
        ],
      ]),
    )
  })

  it('writes a dead letter that has everything: source, bytes, sample, reason, version, times', () => {
    expect(run('fine rude').deadLetters).to.deep.equal([
      {
        source_topic: 'words',
        source_partition: 3,
        source_offset: 42,
        source_timestamp: 5,
        samples: [1],
        quantities: [],
        key: Buffer.from('hive'),
        value: Buffer.from('fine rude'),
        records: [],
        reason: 'rude',
        detail: '"rude"',
        processor: 'words',
        processor_version: '1.2.3',
        attempt: 1,
        first_failed: 77,
        last_failed: 77,
      },
    ])
  })

  it('gives the dead letter the headers of its record, so that a redrive has them, and its outputs none', () => {
    expect(run('fine rude').headers).to.deep.equal([undefined, headers])
  })

  it('makes one dead letter of a record that cannot be decoded', () => {
    expect(run(null).deadLetters).to.have.length(1)
    expect(run(null).counters.rejected).to.deep.equal(new Map([[UNDECODABLE, 1]]))
  })

  it('makes one dead letter of a record on which the processor fails, and sends nothing of it', () => {
    const { sent, deadLetters, counters } = run('one throws two')
    expect(sent).to.deep.equal([])
    expect(deadLetters).to.have.length(1)
    expect(counters.rejected).to.deep.equal(new Map([[DEFECT, 1]]))
  })

  it('names the records of which anything was rejected', () => {
    expect(run('rude one').bad).to.deep.equal([0])
    expect(run('one throws').bad).to.deep.equal([0])
    expect(run('dull').bad).to.deep.equal([])
  })

  it('makes one dead letter for a record and a reason, however many of its samples were rejected', () => {
    const { deadLetters, counters } = run('rude '.repeat(20_000).trim())
    expect(deadLetters).to.have.length(1)
    expect((deadLetters[0] as { samples: number[] }).samples).to.have.length(20_000)
    expect(counters.rejected).to.deep.equal(new Map([['rude', 1]]))
  })

  it('processes just the samples that a redrive is about', () => {
    const part = (...samples: number[]): RecordPart => ({ samples, quantities: [] })
    const { sent, deadLetters } = run('one rude two rude', part(0, 2))
    expect([sent, deadLetters]).to.deep.equal([['4:one', '4:two'], []])
    expect(run('one rude two', part(1)).deadLetters).to.have.length(1)
  })

  it('makes a dead letter of a record that gives an output larger than its topic takes, and sends nothing of it', () => {
    const { sent, deadLetters } = run('one incomprehensibilities')
    expect(sent).to.deep.equal([])
    expect(deadLetters[0]).to.deep.include({ reason: TOO_LARGE, detail: 'alerts takes 12 bytes, got 23' })
  })

  it('takes a reason outside the closed list for a defect', () => {
    expect(run('undocumented').counters.rejected).to.deep.equal(new Map([[DEFECT, 1]]))
  })
})
