import avro from 'avsc'
import { expect } from 'chai'
import { ConnectorError, type SinkBatch, type SinkResult } from '../../connectors/contract.ts'
import type { ConsumerName, Topic } from '../../processors/contract.ts'
import { CopyWriter } from '../../processors/store/copy-writer.ts'
import { RowBatch } from '../../processors/store/row-batch.ts'
import { readSchema } from '../../schemas/files.ts'
import { quantities } from '../../schemas/generated/readings.ts'
import { sampleLayout } from '../../schemas/readings-layout.ts'
import { ManualClock } from '../../test/memory/manual-clock.ts'
import { ClaimedPartitions } from '../claimed-partitions.ts'
import { Committer } from './commit.ts'
import { createStoreCounters, type StoreCounters } from './counters.ts'
import type { StorePlace } from './place.ts'

const topic = 'telemetry.readings' as Topic
const schema = readSchema('readings').json
const type = avro.Type.forSchema(schema as avro.Schema, { wrapUnions: 'auto', logicalTypes: {} })
const layout = sampleLayout(schema)
const none = Object.fromEntries(quantities.map(({ name }) => [name, null]))
const RECEIVED_MS = Date.UTC(2026, 10, 23, 6)

/** Records of one row each, of one partition. */
function filled(records: number): RowBatch {
  const rowBatch = new RowBatch(new CopyWriter())
  for (let offset = 0; offset < records; offset++) {
    const sample = { ts: RECEIVED_MS * 1000 + offset, time_estimated: false, account_id: null, site_id: null, ...none }
    const datum = type.toBuffer({ device_id: 'hive', firmware: 'f', boot: 1, seq: offset, dropped: 0, samples: [sample] })
    const value = Buffer.concat([Buffer.from([0, 0, 0, 0, 1]), datum])
    rowBatch.add(topic, 0, { key: Buffer.from('hive'), value, timestampMs: RECEIVED_MS, offset: BigInt(offset) }, { tag: 'known', layout })
    rowBatch.move(topic, 0, BigInt(offset), BigInt(offset + 1))
  }
  return rowBatch
}

interface Rig {
  readonly committer: Committer
  readonly counters: StoreCounters
  readonly deadLetters: string[]
  readonly clock: ManualClock
  /** Offsets of the commits, as from–to. */
  readonly commits: string[]
  commit(rowBatch: RowBatch): Promise<string>
}

async function rig(decide: (batch: SinkBatch) => SinkResult | undefined): Promise<Rig> {
  const counters = createStoreCounters()
  const deadLetters: string[] = []
  const commits: string[] = []
  const answer = async (batch: SinkBatch): Promise<SinkResult> =>
    decide(batch) ?? { tag: 'committed', inserted: batch.rows, merged: 0, repeated: 0, conflicts: [] }
  const log = { info: () => undefined, warn: () => undefined, error: () => undefined }
  const clock = new ManualClock()
  const claimed = new ClaimedPartitions<StorePlace>({
    consumer: { reclaim: () => undefined },
    offsets: { tell: () => undefined },
    lost: async () => [],
    clock,
    log,
    signal: new AbortController().signal,
    counters,
    problem: () => undefined,
    givenUp: () => undefined,
  })
  await claimed.claim(1, async () => ({ claims: [], places: [{ topic, partition: 0, epoch: 1n, position: 0n, leaderEpoch: 0 }] }))
  const committer = new Committer({
    consumer: 'store' as ConsumerName,
    claimed,
    sink: {
      async commit(_consumer, batch) {
        const result = await answer(batch)
        if (result.tag === 'committed') commits.push(...batch.moves.map(({ from, to }) => `${from}–${to}`))
        return result
      },
      dryRun: answer,
    },
    deadLetters: (refused) => {
      deadLetters.push(...refused.map(({ record, detail }) => `${record.offset} ${detail}`))
      return []
    },
    producer: { send: async () => undefined },
    batchRows: 1000,
    clock,
    log,
    counters,
    held: { stop: () => false, committed: () => undefined },
  })
  return { committer, counters, clock, deadLetters, commits, commit: (rowBatch) => committer.commit(rowBatch, 1) }
}

const tooMuch = (most: number) => (batch: SinkBatch) =>
  batch.rows > most ? ({ tag: 'not-whole', cause: new ConnectorError('53200', true, 'out of shared memory') } as const) : undefined

describe('a batch that is more than the database takes at once', () => {
  it('is committed in halves, in order, down to what it takes, without a dead letter', async () => {
    const { commit, commits, counters, deadLetters } = await rig(tooMuch(30))
    expect(await commit(filled(100))).to.equal('committed')
    expect(commits).to.deep.equal(['0–25', '25–50', '50–75', '75–100'])
    expect([counters.inserted, counters.commits, deadLetters]).to.deep.equal([100, 4, []])
  })

  it('makes the next ones smaller, and they grow again', async () => {
    const { commit, committer } = await rig(tooMuch(300))
    await commit(filled(1000))
    const after = committer.mostRows()
    expect(after).to.be.within(250, 500)
    for (let batch = 0; batch < 20; batch++) await commit(filled(10))
    expect(committer.mostRows()).to.equal(1000)
  })

  it('has the rows of just one record refused if only these are refused together', async () => {
    const culprit = (batch: SinkBatch): SinkResult | undefined =>
      batch.moves.some(({ from, to }) => from <= 42n && 42n < to) && batch.rows > 0
        ? { tag: 'not-whole', cause: new ConnectorError('P0001', false, 'not these') }
        : undefined
    const { commit, counters, deadLetters, commits } = await rig(culprit)
    expect(await commit(filled(100))).to.equal('committed')
    expect(deadLetters).to.deep.equal(['42 SQLSTATE P0001: not these'])
    expect([counters.inserted, commits.at(0)?.startsWith('0–'), commits.at(-1)?.endsWith('–100')]).to.deep.equal([99, true, true])
  })

  it('writes no dead letter twice when it comes apart after its dead letters were written', async () => {
    let bad = true
    const { commit, deadLetters } = await rig((batch) => {
      if (bad) {
        bad = false
        return { tag: 'bad-rows', rows: [{ row: 7, sqlState: '23514', detail: 'sane' }] }
      }
      return batch.rows > 60 && deadLetters.length > 0 ? tooMuch(60)(batch) : undefined
    })
    await commit(filled(100))
    expect(deadLetters).to.deep.equal(['7 SQLSTATE 23514: sane'])
  })
})

describe('a commit', () => {
  it('counts for each record how long it took since its newest sample and since its receipt', async () => {
    const { commit, counters, clock } = await rig(() => undefined)
    await clock.advance(3_000)
    await commit(filled(10))
    for (const distribution of [counters.latency.sample, counters.latency.receipt]) {
      expect(new Map(distribution.cumulative()).get(2.5)).to.equal(0)
      expect(new Map(distribution.cumulative()).get(5)).to.equal(10)
    }
    expect(counters.latency.receipt.sum).to.be.closeTo(30, 0.1)
  })
})
