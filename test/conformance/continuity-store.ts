import { expect } from 'chai'
import { type Claim, ConnectorError } from '../../connectors/contract.ts'
import { type ContinuityStore, type LedgerBatch, ledgerBatch } from '../../connectors/postgres/continuity-store.ts'
import type { BootState } from '../../processors/continuity/boot.ts'
import { CONTINUITY } from '../../processors/continuity/declaration.ts'
import { RangeSet } from '../../processors/continuity/ranges.ts'
import { topics } from '../../processors/topics.ts'
import type { Cut } from '../memory/memory-database.ts'

const topic = topics.readings
const TOPIC_ID = 'a'.repeat(32)
const RECEIVED_MS = Date.UTC(2026, 10, 23)

/** A ledger in a database of its own. */
export interface LedgerFixture extends AsyncDisposable {
  readonly store: ContinuityStore
  /** Cuts the connection with the next COMMIT. */
  cutNext(statement: 'COMMIT', when: Cut): void
}

/** What every ContinuityStore does. */
export function continuityStoreConformance(name: string, open: () => Promise<LedgerFixture>): void {
  describe(`the ledger of frames ${name}`, () => {
    let fixture: LedgerFixture
    let store: ContinuityStore

    beforeEach(async () => {
      fixture = await open()
      store = fixture.store
    })

    afterEach(() => fixture[Symbol.asyncDispose]())

    const claim = async (): Promise<Claim> => {
      const [claimed] = await store.claim(CONTINUITY, TOPIC_ID, [{ topic, partition: 0, earliest: 0n }])
      if (claimed === undefined) throw new Error('nothing was claimed')
      return claimed
    }
    const boot = (device: string, last: number): BootState => ({
      device,
      boot: 3,
      next: last + 1,
      firstNumber: 0,
      begins: 0,
      settled: { below: 0, stored: 0, dead: 0, partly: 0, unknown: 0 },
      stored: new RangeSet([{ first: 0, last }]),
      dead: new RangeSet(),
      partly: new RangeSet(),
      dropped: 2,
      firstSample: RECEIVED_MS * 1000,
      lastSample: RECEIVED_MS * 1000 + last,
      aheadSample: Number.NaN,
      firstReceivedMs: RECEIVED_MS,
      lastReceivedMs: RECEIVED_MS + last,
    })
    const batch = ({ epoch, nextOffset }: Claim, by: bigint, ...boots: readonly BootState[]): LedgerBatch =>
      ledgerBatch({ boots, strangers: [], promoted: [], grown: [], counts: [] }, [
        { topic, partition: 0, from: nextOffset, to: nextOffset + by, leaderEpoch: 4, epoch },
      ])
    const load = async (...devices: readonly string[]): Promise<readonly BootState[]> =>
      (await store.load(devices.map((device) => ({ device, boot: 3 })))).boots

    it('gives back the boots that were committed, and where that led', async () => {
      const claimed = await claim()
      expect(await store.commit(CONTINUITY, batch(claimed, 5n, boot('a', 9), boot('b', 4)))).to.equal(true)
      expect(await load('a')).to.deep.equal([boot('a', 9)])
      expect(await load('a', 'b', 'c')).to.have.length(2)
      expect(await store.positions(CONTINUITY, topic)).to.deep.equal([
        { topic, partition: 0, topicId: TOPIC_ID, nextOffset: 5n, leaderEpoch: 4 },
      ])
      expect((await claim()).nextOffset).to.equal(5n)
    })

    it('says since when devices are known that it is asked about', async () => {
      await store.commit(CONTINUITY, batch(await claim(), 1n, boot('a', 9)))
      const { since, folded, boots } = await store.load([{ device: 'a', boot: 4 }])
      expect([since.get('a'), folded, boots]).to.deep.equal([RECEIVED_MS, [], []])
    })

    it('keeps what a boot was last', async () => {
      const claimed = await claim()
      await store.commit(CONTINUITY, batch(claimed, 5n, boot('a', 9)))
      await store.commit(CONTINUITY, batch({ ...claimed, nextOffset: 5n }, 1n, boot('a', 12)))
      expect(await load('a')).to.deep.equal([boot('a', 12)])
    })

    it('refuses an owner that lost the partition, and writes nothing', async () => {
      const claimed = await claim()
      await claim()
      expect(await store.commit(CONTINUITY, batch(claimed, 5n, boot('a', 9)))).to.equal(false)
      expect(await load('a')).to.deep.equal([])
    })

    for (const when of ['before-sending', 'after-answer'] as const) {
      it(`finds out whether it committed if the connection is cut in COMMIT, ${when}`, async () => {
        const given = batch(await claim(), 5n, boot('a', 9))
        fixture.cutNext('COMMIT', when)
        const cause = await store.commit(CONTINUITY, given).catch((error: unknown) => error)
        expect(cause).to.be.instanceOf(ConnectorError).that.includes({ transient: true })
        expect(await store.commit(CONTINUITY, given)).to.equal(true)
        expect(await load('a')).to.deep.equal([boot('a', 9)])
        expect((await claim()).nextOffset).to.equal(5n)
      })
    }
  })
}
