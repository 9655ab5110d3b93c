import { expect } from 'chai'
import type { RedriveOutcome, SettledDeadLetter } from '../../connectors/postgres/redrive-log.ts'
import type { KafkaRecord, Topic } from '../../processors/contract.ts'
import { createDeadLetterCodec, type DeadLetter } from '../../processors/dead-letter.ts'
import type { FoundDeadLetter } from '../../processors/found-dead-letters.ts'
import { readSchema } from '../../schemas/files.ts'
import { RedriveReport } from './report.ts'
import { createRedriveRun, type RedriveRunOptions } from './run.ts'
import type { Attempt } from './way.ts'

const codec = createDeadLetterCodec(readSchema('dead-letter').json, 1)
const TOPIC = 'words.dead' as Topic
const OUTPUT = { noun: 'record', verb: 'written' }

function deadLetter(offset: number, changes: Partial<DeadLetter> = {}): DeadLetter {
  return {
    source_topic: 'words',
    source_partition: 0,
    source_offset: offset,
    source_timestamp: 5,
    samples: [],
    quantities: [],
    key: Buffer.from('hive'),
    value: Buffer.from(`word ${offset}`),
    records: [],
    reason: 'rude',
    detail: 'a rude word',
    processor: 'words',
    processor_version: '1',
    attempt: 1,
    first_failed: 10,
    last_failed: 10,
    ...changes,
  }
}

function records(deadLetters: readonly DeadLetter[]): KafkaRecord[] {
  return deadLetters.map((each, index) => ({ key: each.key, value: codec.encode(each), timestampMs: 10, offset: BigInt(index) }))
}

const succeeded: Attempt = { outputs: 1, dropped: null, again: [] }
const failed: Attempt = { outputs: 0, dropped: null, again: [{ reason: 'ruder', detail: 'still', samples: [] }] }

describe('a redrive', () => {
  let events: string[]
  let published: DeadLetter[]
  let headers: unknown[]
  let settled: SettledDeadLetter[]
  let report: RedriveReport
  let answer: (found: FoundDeadLetter) => Attempt

  async function run(input: readonly KafkaRecord[], changes: Partial<RedriveRunOptions> = {}): Promise<void> {
    const take = createRedriveRun({
      way: {
        output: OUTPUT,
        attempt: async (found) => {
          events.push(`attempt ${found.map(({ offset }) => offset).join(' ')}`)
          return found.map((each) => answer(each))
        },
        dryRun: async (found) => found.map((each) => answer(each)),
        async [Symbol.asyncDispose]() {},
      },
      codec: codec,
      version: '2',
      filter: {},
      maxAttempts: 5,
      settled: new Map(),
      originals: async (found) => ({ deadLetters: [found], gone: 0 }),
      deadLetterBytes: 1_000_000,
      rate: null,
      dryRun: false,
      publish: async (sent) => {
        events.push(`publish ${sent.length}`)
        published.push(...sent.map(({ value }) => codec.decode(value)))
        headers.push(...sent.map((each) => each.headers))
      },
      settle: async (deadLetters) => {
        events.push(`settle ${deadLetters.length}`)
        settled.push(...deadLetters)
      },
      report,
      stopping: new AbortController().signal,
      ...changes,
    })
    await take({ topic: TOPIC, partition: 0, records: input, nextOffset: 99n, leaderEpoch: 0 })
  }

  const outcomes = (): [bigint, RedriveOutcome][] => settled.map(({ offset, outcome }) => [offset, outcome])

  beforeEach(() => {
    events = []
    published = []
    headers = []
    settled = []
    report = new RedriveReport()
    answer = () => succeeded
  })

  it('settles dead letters only after their outputs and the dead letters of what failed again are written', async () => {
    answer = ({ offset }) => (offset === 1n ? failed : succeeded)
    await run(records([deadLetter(0), deadLetter(1)]))
    expect(events).to.deep.equal(['attempt 0 1', 'publish 1', 'settle 2'])
    expect(outcomes()).to.deep.equal([
      [0n, 'succeeded'],
      [1n, 'failed-again'],
    ])
    expect(published).to.have.length(1)
    expect(published[0]).to.include({ attempt: 2, reason: 'ruder', first_failed: 10, source_offset: 1, processor_version: '2' })
    expect(published[0]?.value).to.deep.equal(Buffer.from('word 1'))
  })

  it('keeps the headers of what fails again', async () => {
    answer = () => failed
    const fp = [{ name: 'fp', value: Buffer.from('8 bytes!') }]
    await run(records([deadLetter(0)]).map((record) => ({ ...record, headers: fp })))
    expect(headers).to.deep.equal([fp])
  })

  it('settles nothing where writing fails', async () => {
    answer = () => failed
    let error: unknown
    await run(records([deadLetter(0)]), { publish: () => Promise.reject(new Error('Kafka')) }).catch((cause: unknown) => {
      error = cause
    })
    expect(error).to.be.instanceOf(Error)
    expect(settled).to.deep.equal([])
  })

  it('leaves alone what is settled, not asked for, at the cap, without bytes, or no dead letter; all but the first can be redriven later', async () => {
    const input = records([
      deadLetter(0),
      deadLetter(1, { reason: 'other' }),
      deadLetter(2, { attempt: 5 }),
      deadLetter(3, { value: null }),
      deadLetter(4),
    ])
    input.push({ key: null, value: Buffer.from('foreign'), timestampMs: 1, offset: 5n })
    await run(input, { settled: new Map([[0, new Map([[0n, 'succeeded']])]]), filter: { reason: 'rude' } })
    expect(outcomes()).to.deep.equal([[4n, 'succeeded']])
    expect(report).to.include({ settledBefore: 1, filteredOut: 1, atCap: 1, withoutBytes: 1, unreadable: 1 })
  })

  it('takes a dead letter that a killed service wrote twice for one', async () => {
    answer = () => failed
    await run(records([deadLetter(0), deadLetter(0, { first_failed: 11, last_failed: 11 }), deadLetter(0, { attempt: 2 })]))
    expect(outcomes()).to.deep.include.members([
      [0n, 'failed-again'],
      [1n, 'repeat'],
      [2n, 'failed-again'],
    ])
    expect(published.map(({ attempt }) => attempt)).to.deep.equal([2, 3])
  })

  it('says if some samples were taken and others were not, or the processor now leaves a dead letter out', async () => {
    answer = ({ offset }) =>
      offset === 0n
        ? { ...failed, outputs: 1, again: [{ reason: 'ruder', detail: '', samples: [1, 2] }] }
        : { outputs: 0, dropped: 'dull', again: [] }
    await run(records([deadLetter(0), deadLetter(1)]))
    expect(outcomes()).to.deep.equal([
      [0n, 'partly-succeeded'],
      [1n, 'dropped'],
    ])
    expect(published.map(({ samples }) => samples)).to.deep.equal([[1, 2]])
  })

  it('changes nothing in a dry run, and says what would happen by reason', async () => {
    answer = ({ offset }) => (offset < 2n ? succeeded : failed)
    await run(records([deadLetter(0), deadLetter(1), deadLetter(2)]), { dryRun: true })
    expect(events).to.deep.equal([])
    const [total, , row] = report.lines({ output: OUTPUT, dryRun: true, maxAttempts: 5 })
    expect(total).to.equal(
      '3 dead letters would be redriven: 2 succeeded, 0 in part, 1 failed again, 0 left out on purpose, 0 repeats; 2 records would be written',
    )
    expect(row?.split(/ {2,}/)).to.deep.equal(['rude', '3', '2', '0', '1', '2', 'ruder 1'])
  })

  it('keeps to a rate', async () => {
    const began = performance.now()
    await run(records([0, 1, 2, 3, 4, 5].map((offset) => deadLetter(offset))), { rate: 20 })
    expect(performance.now() - began).to.be.within(280, 2000)
  })

  it('stops between two chunks, and settles what it did', async () => {
    const stopping = new AbortController()
    let error: unknown
    answer = () => {
      stopping.abort(new Error('interrupted'))
      return succeeded
    }
    const input = records(Array.from({ length: 600 }, (_, offset) => deadLetter(offset)))
    await run(input, { stopping: stopping.signal }).catch((cause: unknown) => {
      error = cause
    })
    expect(String(error)).to.equal('Error: interrupted')
    expect(settled).to.have.length(500)
  })
})
