import { expect } from 'chai'
import {
  type Claim,
  ConnectorError,
  type OffsetMove,
  type ReadingsSink,
  type RowRange,
  type SinkResult,
} from '../../connectors/contract.ts'
import type { ConsumerName, Topic } from '../../processors/contract.ts'
import type { Cut, OffsetsRow } from '../memory/memory-database.ts'
import { sinkBatch, testRows } from '../pipeline/readings-batch.ts'

const store = 'store' as ConsumerName
const topic = 'telemetry.readings' as Topic
const DAY_MS = 86_400_000

/** A sink on a database of its own. */
export interface SinkFixture extends AsyncDisposable {
  readonly sink: ReadingsSink
  /** Another member's, whose connection is not cut. */
  another(): ReadingsSink
  /** Cuts the connection with the next COMMIT; `down`: nobody gets through until `up`. */
  cutNext(statement: 'COMMIT', when: Cut, then?: 'down'): void
  up(): void
  /** By partition. */
  offsets(): Promise<readonly OffsetsRow[]>
  /** How many rows there are. */
  rows(): Promise<number>
  /** From now on a row's temperature must be below 1000, by a constraint named `sane`. */
  constrain(): Promise<void>
}

/** What every ReadingsSink does. */
export function readingsSinkConformance(name: string, open: () => Promise<SinkFixture>): void {
  describe(`the readings sink ${name}`, () => {
    let fixture: SinkFixture
    let sink: ReadingsSink

    beforeEach(async () => {
      fixture = await open()
      sink = fixture.sink
    })

    afterEach(() => fixture[Symbol.asyncDispose]())

    const committed = (inserted: number, repeated = 0): SinkResult => ({ tag: 'committed', inserted, merged: 0, repeated, conflicts: [] })
    const claim = async (by = sink, partition = 0): Promise<Claim> => {
      const [claimed] = await by.claim(store, 'topic-1', [{ topic, partition, earliest: 0n }])
      if (claimed === undefined) throw new Error('nothing was claimed')
      return claimed
    }
    const moved = (claimed: Claim, by: bigint, rows: readonly RowRange[], dead = 0): OffsetMove => {
      const from = claimed.nextOffset
      return { topic, partition: claimed.partition, from, to: from + by, leaderEpoch: 4, epoch: claimed.epoch, rows, dead }
    }
    const refusals = (result: SinkResult) =>
      result.tag === 'bad-rows' ? result.rows.map(({ row, sqlState }) => ({ row, sqlState })) : result.tag
    const refusedBatch = async (result: Promise<unknown>): Promise<ConnectorError> => {
      try {
        await result
      } catch (error) {
        if (error instanceof ConnectorError) return error
        throw error
      }
      throw new Error('expected the commit to fail')
    }

    it('starts a consumer without an offset, and one that committed where it left off', async () => {
      const first = await claim()
      expect(first).to.deep.equal({ topic, partition: 0, epoch: 1n, nextOffset: 0n, leaderEpoch: -1, origin: 'first' })
      await sink.commit(store, sinkBatch(testRows('hive', 3), [moved(first, 7n, [{ first: 0, end: 3 }])]))
      expect(await claim()).to.deep.equal({ ...first, epoch: 2n, nextOffset: 7n, leaderEpoch: 4, origin: 'kept' })
    })

    it('commits rows, offsets and counts together', async () => {
      const result = await sink.commit(
        store,
        sinkBatch(testRows('hive', 100), [
          moved(await claim(sink, 0), 5n, [
            { first: 0, end: 30 },
            { first: 60, end: 100 },
          ]),
          moved(await claim(sink, 1), 9n, [{ first: 30, end: 60 }], 2),
        ]),
      )
      expect(result).to.deep.equal(committed(100, 0))
      expect(await fixture.offsets()).to.deep.equal([
        { partition: 0, next_offset: 5n, stored: 70n, repeated: 0n, dead: 0n },
        { partition: 1, next_offset: 9n, stored: 30n, repeated: 0n, dead: 2n },
      ])
    })

    it('moves offsets if every record was a dead letter', async () => {
      expect(await sink.commit(store, sinkBatch([], [moved(await claim(), 4n, [], 4)]))).to.deep.equal(committed(0, 0))
      expect(await fixture.offsets()).to.deep.equal([{ partition: 0, next_offset: 4n, stored: 0n, repeated: 0n, dead: 4n }])
    })

    it('counts repeats for the partition that they came from, on the first batch that has some and on the next', async () => {
      const [one, two] = [await claim(sink, 0), await claim(sink, 1)]
      await sink.commit(store, sinkBatch(testRows('hive', 10), [moved(one, 1n, [{ first: 0, end: 10 }])]))
      const next = { ...one, nextOffset: 1n }
      const overlapping = [...testRows('hive', 12), ...testRows('mast', 5), ...testRows('hive', 4, DAY_MS)]
      const ranges = [
        moved(next, 1n, [
          { first: 0, end: 12 },
          { first: 17, end: 21 },
        ]),
        moved(two, 1n, [{ first: 12, end: 17 }]),
      ]
      expect(await sink.commit(store, sinkBatch(overlapping, ranges))).to.deep.equal(committed(11, 10))
      const again = { ...one, nextOffset: 2n }
      expect(await sink.commit(store, sinkBatch(testRows('hive', 13), [moved(again, 1n, [{ first: 0, end: 13 }])]))).to.deep.equal(
        committed(1, 12),
      )
      expect(await fixture.offsets()).to.deep.equal([
        { partition: 0, next_offset: 3n, stored: 17n, repeated: 22n, dead: 0n },
        { partition: 1, next_offset: 1n, stored: 5n, repeated: 0n, dead: 0n },
      ])
      expect(await fixture.rows()).to.equal(22)
    })

    it('takes a row that is twice in one batch once', async () => {
      const rows = [...testRows('hive', 5), ...testRows('hive', 5)]
      expect(await sink.commit(store, sinkBatch(rows, [moved(await claim(), 1n, [{ first: 0, end: 10 }])]))).to.deep.equal(committed(5, 5))
    })

    it('refuses an owner that lost one of its partitions, and writes nothing of its batch', async () => {
      const older = fixture.another()
      const [one, two] = [await claim(older, 0), await claim(older, 1)]
      const newer = await claim(sink, 1)
      const ranges = [moved(one, 1n, [{ first: 0, end: 5 }]), moved(two, 1n, [{ first: 5, end: 10 }])]
      expect(await older.commit(store, sinkBatch(testRows('hive', 10), ranges))).to.deep.equal({
        tag: 'fenced',
        partitions: [{ topic, partition: 1 }],
      })
      expect(await fixture.rows()).to.equal(0)
      expect(await sink.commit(store, sinkBatch(testRows('hive', 1), [moved(newer, 1n, [{ first: 0, end: 1 }])]))).to.have.property(
        'tag',
        'committed',
      )
    })

    it('refuses offsets that do not follow on those committed', async () => {
      const claimed = await claim()
      await sink.commit(store, sinkBatch([], [moved(claimed, 5n, [])]))
      const skipping = moved({ ...claimed, nextOffset: 6n }, 1n, [])
      expect(await sink.commit(store, sinkBatch([], [skipping]))).to.deep.equal({ tag: 'fenced', partitions: [{ topic, partition: 0 }] })
    })

    it('does not go on at the offset of a topic that was recreated', async () => {
      const claimed = await claim()
      await sink.commit(store, sinkBatch(testRows('hive', 3), [moved(claimed, 100n, [{ first: 0, end: 3 }])]))
      const anew = [{ topic, partition: 0, earliest: 12n }]
      const recreated = await sink.claim(store, 'topic-2', anew)
      expect(recreated).to.deep.equal([{ topic, partition: 0, epoch: 2n, nextOffset: 12n, leaderEpoch: -1, origin: 'recreated' }])
      expect(await sink.claim(store, 'topic-2', anew)).to.deep.equal([{ ...recreated[0], epoch: 3n, origin: 'kept' }])
    })

    it('refuses a batch whose moves do not have all its rows', async () => {
      const batch = sinkBatch(testRows('hive', 2), [moved(await claim(), 1n, [{ first: 0, end: 1 }])])
      const error = await sink.commit(store, batch).catch((cause: unknown) => cause)
      expect(error).to.be.instanceOf(RangeError)
    })

    it('commits once when the connection is cut before COMMIT arrives', async () => {
      const batch = sinkBatch(testRows('hive', 100), [moved(await claim(), 1n, [{ first: 0, end: 100 }])])
      fixture.cutNext('COMMIT', 'before-sending')
      expect(await sink.commit(store, batch)).to.deep.equal(committed(100, 0))
      expect(await fixture.offsets()).to.deep.equal([{ partition: 0, next_offset: 1n, stored: 100n, repeated: 0n, dead: 0n }])
      expect(await fixture.rows()).to.equal(100)
    })

    it('knows that it committed when the connection is cut before the answer to COMMIT, with its counts', async () => {
      const claimed = await claim()
      await sink.commit(store, sinkBatch(testRows('hive', 40), [moved(claimed, 1n, [{ first: 0, end: 40 }])]))
      const batch = sinkBatch(testRows('hive', 100), [moved({ ...claimed, nextOffset: 1n }, 1n, [{ first: 0, end: 100 }])])
      fixture.cutNext('COMMIT', 'after-answer')
      expect(await sink.commit(store, batch)).to.deep.equal(committed(60, 40))
      expect(await fixture.offsets()).to.deep.equal([{ partition: 0, next_offset: 2n, stored: 100n, repeated: 40n, dead: 0n }])
      expect(await fixture.rows()).to.equal(100)
    })

    it('still knows that it committed when the database comes back much later', async () => {
      const batch = sinkBatch(testRows('hive', 10), [moved(await claim(), 1n, [{ first: 0, end: 10 }])])
      fixture.cutNext('COMMIT', 'after-answer', 'down')
      expect(await refusedBatch(sink.commit(store, batch))).to.have.property('transient', true)
      expect(await refusedBatch(sink.commit(store, batch))).to.have.property('transient', true)
      fixture.up()
      expect(await sink.commit(store, batch)).to.deep.equal(committed(10, 0))
      expect(await fixture.rows()).to.equal(10)
    })

    it('is fenced when another owner went on after a lost COMMIT, even to the same offset', async () => {
      const batch = sinkBatch(testRows('hive', 10), [moved(await claim(), 1n, [{ first: 0, end: 10 }])])
      fixture.cutNext('COMMIT', 'before-sending', 'down')
      expect(await refusedBatch(sink.commit(store, batch))).to.have.property('transient', true)
      const other = fixture.another()
      const rows = [{ first: 0, end: 10 }]
      expect(await other.commit(store, sinkBatch(testRows('hive', 10), [moved(await claim(other), 1n, rows)]))).to.have.property(
        'inserted',
        10,
      )
      fixture.up()
      expect(await sink.commit(store, batch)).to.deep.equal({ tag: 'fenced', partitions: [{ topic, partition: 0 }] })
      expect(await fixture.offsets()).to.deep.equal([{ partition: 0, next_offset: 1n, stored: 10n, repeated: 0n, dead: 0n }])
    })

    it('names the rows that a constraint refuses, and takes the others', async () => {
      await fixture.constrain()
      const claimed = await claim()
      const rows = testRows('hive', 3000).map((row, index) => (index === 1234 ? { ...row, temperature: 5000 } : row))
      const result = await sink.commit(store, sinkBatch(rows, [moved(claimed, 1n, [{ first: 0, end: 3000 }])]))
      expect(refusals(result)).to.deep.equal([{ row: 1234, sqlState: '23514' }])
      expect(JSON.stringify(result)).to.contain('sane')
      expect(await fixture.rows()).to.equal(0)
      const without = rows.filter((_, index) => index !== 1234)
      expect(await sink.commit(store, sinkBatch(without, [moved(claimed, 1n, [{ first: 0, end: 2999 }], 1)]))).to.deep.equal(
        committed(2999),
      )
    })

    it('says in a dry run what would come of the rows, and writes nothing', async () => {
      await fixture.constrain()
      const claimed = await claim()
      const moves = [moved(claimed, 1n, [{ first: 0, end: 2 }])]
      expect(await sink.dryRun(sinkBatch(testRows('hive', 2), moves))).to.deep.equal(committed(2))
      const [good, bad] = testRows('hive', 2).map((row, index) => ({ ...row, temperature: index * 5000 }))
      if (good === undefined || bad === undefined) throw new Error('there are two rows')
      expect(refusals(await sink.dryRun(sinkBatch([good, bad], moves)))).to.deep.equal([{ row: 1, sqlState: '23514' }])
      expect(await fixture.rows()).to.equal(0)
      expect((await claim()).nextOffset).to.equal(0n)
    })

    it('puts positions elsewhere for their owner only', async () => {
      const claimed = await claim()
      const elsewhere = { ...claimed, nextOffset: 40n, leaderEpoch: 7 }
      expect(await sink.reposition(store, [elsewhere])).to.equal(true)
      const next = await claim()
      expect(next).to.include({ nextOffset: 40n, leaderEpoch: 7 })
      expect(await sink.reposition(store, [{ ...elsewhere, nextOffset: 1n }])).to.equal(false)
      expect((await claim()).nextOffset).to.equal(40n)
    })
  })
}
