import { expect } from 'chai'
import type { Claim } from '../../connectors/contract.ts'
import type { ProcessBatch, ProcessRunner } from '../../connectors/postgres/process-runner.ts'
import { type ConsumerName, type DeviceId, drop, reject, type Topic } from '../../processors/contract.ts'
import { defineProcess } from '../../processors/process.ts'
import type { Cut } from '../memory/memory-database.ts'

const consumer = 'devices' as ConsumerName
const topic = 'device.status' as Topic

/**
 * Adds each input to a sum, which must stay below 600 by the constraint `sums_sum_check`; 13 breaks
 * the code, 7 is rejected, and a device that sends 11 is left out.
 */
export const sums = defineProcess<number>({
  from: { topic, decode: () => undefined },
  database: 'app',
  order: 'newest-first',
  time: (item) => item,
  needs: [],
  reasons: { unlucky: { means: 'A seven.', whatToDo: 'Nothing.' } },
  handle: async (device, items, tx) => {
    for (const item of items) {
      await tx.query('INSERT INTO sums VALUES ($1, $2) ON CONFLICT (device) DO UPDATE SET sum = sums.sum + excluded.sum', [device, item])
      if (item === 13) throw new TypeError('thirteen')
      if (item === 7) return reject('unlucky', 'seven')
      if (item === 11) return drop('eleven')
    }
    return undefined
  },
})

/** A runner on a database of its own, with the table of sums. */
export interface RunnerFixture extends AsyncDisposable {
  readonly runner: ProcessRunner
  /** Cuts the connection with the next COMMIT. */
  cutNext(statement: 'COMMIT', when: Cut): void
  /** By device. */
  sums(): Promise<readonly { readonly device: string; readonly sum: bigint }[]>
  offsets(): Promise<readonly { readonly next_offset: bigint; readonly stored: bigint; readonly dead: bigint }[]>
}

/** What every ProcessRunner does. */
export function processRunnerConformance(name: string, open: () => Promise<RunnerFixture>): void {
  describe(`the process runner ${name}`, () => {
    let fixture: RunnerFixture
    let runner: ProcessRunner

    beforeEach(async () => {
      fixture = await open()
      runner = fixture.runner
    })

    afterEach(() => fixture[Symbol.asyncDispose]())

    const claim = async (): Promise<Claim> => {
      const [claimed] = await runner.claim(consumer, 'topic-1', [{ topic, partition: 0, earliest: 0n }])
      if (claimed === undefined) throw new Error('nothing was claimed')
      return claimed
    }
    const batch = ({ epoch, nextOffset }: Claim, items: Readonly<Record<string, readonly number[]>>): ProcessBatch<number> => {
      const from = nextOffset
      return {
        devices: Object.entries(items).map(([device, values]) => ({ device: device as DeviceId, items: values, records: [] })),
        moves: [{ topic, partition: 0, from, to: from + 1n, leaderEpoch: 0, epoch, handled: Object.values(items).flat().length, dead: 0 }],
      }
    }

    it('commits what the process did, and the offsets, together', async () => {
      expect(await runner.commit(consumer, sums, batch(await claim(), { a: [1, 2], b: [4] }))).to.include({ tag: 'committed' })
      expect(await fixture.sums()).to.deep.equal([
        { device: 'a', sum: 3n },
        { device: 'b', sum: 4n },
      ])
      expect(await fixture.offsets()).to.deep.equal([{ next_offset: 1n, stored: 3n, dead: 0n }])
    })

    it('names every device that was rejected, broke the code or a constraint, and writes nothing', async () => {
      const result = await runner.commit(consumer, sums, batch(await claim(), { a: [1, 13], b: [4], c: [7], d: [666], e: [5] }))
      if (result.tag !== 'rejected') throw new Error(`expected rejections, got ${result.tag}`)
      expect(result.rejections.map(({ device, reason }) => [device, reason])).to.deep.equal([
        ['a', 'defect'],
        ['c', 'unlucky'],
        ['d', 'defect'],
      ])
      expect(result.rejections[2]?.detail).to.contain('sums_sum_check')
      expect(await fixture.sums()).to.deep.equal([])
      expect(await fixture.offsets()).to.deep.equal([{ next_offset: 0n, stored: 0n, dead: 0n }])
    })

    it('refuses an owner that lost the partition, and writes nothing', async () => {
      const claimed = await claim()
      await claim()
      expect(await runner.commit(consumer, sums, batch(claimed, { a: [1] }))).to.deep.equal({
        tag: 'fenced',
        partitions: [{ topic, partition: 0 }],
      })
      expect(await fixture.sums()).to.deep.equal([])
    })

    for (const when of ['before-sending', 'after-answer'] as const) {
      it(`commits once when the connection is cut in COMMIT, ${when}`, async () => {
        const given = batch(await claim(), { a: [1] })
        fixture.cutNext('COMMIT', when)
        expect(await runner.commit(consumer, sums, given)).to.include({ tag: 'committed' })
        expect(await fixture.sums()).to.deep.equal([{ device: 'a', sum: 1n }])
      })

      it(`says what was dropped though the connection is cut in COMMIT, ${when}`, async () => {
        const given = batch(await claim(), { a: [1], b: [4, 11] })
        fixture.cutNext('COMMIT', when)
        const dropped = new Map([['eleven', 2]])
        expect(await runner.commit(consumer, sums, given)).to.deep.equal({ tag: 'committed', dropped })
      })
    }

    it('takes back what the process did for inputs that it drops, and counts them by reason', async () => {
      const result = await runner.commit(consumer, sums, batch(await claim(), { a: [1], b: [4, 11, 5], c: [11] }))
      expect(result).to.deep.equal({ tag: 'committed', dropped: new Map([['eleven', 4]]) })
      expect(await fixture.sums()).to.deep.equal([{ device: 'a', sum: 1n }])
      expect(await fixture.offsets()).to.deep.equal([{ next_offset: 1n, stored: 5n, dead: 0n }])
    })

    it('runs what comes before the devices once, in the same transaction', async () => {
      const counting = defineProcess<number>({
        ...sums,
        before: async (inputs, tx) => {
          await tx.query('INSERT INTO sums VALUES ($1, $2)', ['batch', inputs.length])
        },
      })
      const claimed = await claim()
      expect(await runner.commit(consumer, counting, batch(claimed, { a: [1], b: [7] }))).to.deep.include({ tag: 'rejected' })
      expect(await fixture.sums()).to.deep.equal([])
      expect(await runner.commit(consumer, counting, batch(claimed, { a: [1], b: [4] }))).to.include({ tag: 'committed' })
      expect(await fixture.sums()).to.deep.equal([
        { device: 'a', sum: 1n },
        { device: 'b', sum: 4n },
        { device: 'batch', sum: 2n },
      ])
    })

    it('says in a dry run what would be rejected, and changes nothing', async () => {
      const { devices: inputs } = batch(await claim(), { a: [1], b: [7], c: [13] })
      expect(await runner.dryRun(consumer, sums, inputs)).to.deep.equal([
        { device: 'b', reason: 'unlucky', detail: 'seven' },
        { device: 'c', reason: 'defect', detail: 'thirteen' },
      ])
      expect(await fixture.sums()).to.deep.equal([])
      expect(await fixture.offsets()).to.deep.equal([{ next_offset: 0n, stored: 0n, dead: 0n }])
    })
  })
}
