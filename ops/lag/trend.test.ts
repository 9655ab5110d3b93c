import { expect } from 'chai'
import { type LagLook, type PartitionLook, trendOf } from './trend.ts'

const NOON = Date.UTC(2026, 10, 30, 12)
const PATIENCE = { followsSeconds: 2, stalledSeconds: 10 }
const all = (): boolean => true

/** A partition of which `committed` of `end` records are read; the next one is so old. */
function at(committed: number | null, end: number, oldSeconds?: number, partition = 0): { readonly of: (nowMs: number) => PartitionLook } {
  const lag = BigInt(end - (committed ?? 0))
  return {
    of: (nowMs) => ({
      group: 'store',
      topic: 'telemetry.readings',
      partition,
      committed: committed === null ? null : BigInt(committed),
      end: BigInt(end),
      lag,
      gone: { tag: 'nothing' },
      unreadMs: lag === 0n ? null : oldSeconds === undefined ? undefined : nowMs - oldSeconds * 1_000,
    }),
  }
}

function look(seconds: number, ...partitions: readonly ReturnType<typeof at>[]): LagLook {
  const atMs = NOON + seconds * 1_000
  return { atMs, partitions: partitions.map(({ of }) => of(atMs)) }
}

describe('how a group gets on with its lag', () => {
  it('is idle at 0 if nothing comes, and follows if what comes is read', () => {
    expect(trendOf(look(5, at(100, 100)), look(0, at(100, 100)), all, PATIENCE)).to.deep.equal({
      lag: 0n,
      timeLagSeconds: 0,
      in: 0,
      out: 0,
      state: 'idle',
      catchUpSeconds: 0,
    })
    expect(trendOf(look(5, at(200, 200)), look(0, at(100, 100)), all, PATIENCE)).to.include({ state: 'following', in: 20, out: 20 })
    expect(trendOf(look(5, at(190, 200, 0.4)), look(0, at(100, 100)), all, PATIENCE)).to.include({ state: 'following', lag: 10n })
  })

  it('has an end if more is read than comes', () => {
    const trend = trendOf(look(10, at(3_000, 5_000, 7)), look(0, at(1_000, 4_000, 12)), all, PATIENCE)
    expect(trend).to.deep.equal({ lag: 2_000n, timeLagSeconds: 7, in: 100, out: 200, state: 'catching up', catchUpSeconds: 20 })
  })

  it('has none if less is read than comes, or as much', () => {
    expect(trendOf(look(10, at(1_500, 5_000, 7)), look(0, at(1_000, 4_000, 5)), all, PATIENCE)).to.include({
      state: 'falling behind',
      catchUpSeconds: undefined,
    })
    expect(trendOf(look(10, at(2_010, 5_000, 7)), look(0, at(1_000, 4_000, 7)), all, PATIENCE)).to.include({ state: 'steady' })
  })

  it('is stalled if nothing is read of what has waited for long', () => {
    expect(trendOf(look(5, at(1_000, 1_001, 11)), look(0, at(1_000, 1_001, 6)), all, PATIENCE)).to.include({ state: 'stalled', out: 0 })
    expect(trendOf(look(5, at(1_000, 1_001, 9)), look(0, at(1_000, 1_001, 4)), all, PATIENCE).state).to.equal('falling behind')
  })

  it('takes partitions together: all records, the oldest of them', () => {
    const trend = trendOf(look(10, at(100, 200, 3), at(0, 1_000, 60, 1)), look(0, at(0, 100, 3), at(0, 0, undefined, 1)), all, PATIENCE)
    expect(trend).to.include({ lag: 1_100n, timeLagSeconds: 60, in: 110, out: 10 })
  })

  it('counts from the begin of the log if nothing was ever committed', () => {
    expect(trendOf(look(10, at(null, 200, 20)), look(0, at(null, 100, 10)), all, PATIENCE)).to.include({ in: 10, out: 0, state: 'stalled' })
  })

  it('says that it does not know', () => {
    expect(trendOf(look(5, at(1, 9)), look(0, at(1, 9)), all, PATIENCE).state).to.equal('unknown')
    expect(trendOf(look(5, at(1, 9, 30)), undefined, all, PATIENCE)).to.include({ state: 'unknown', in: undefined, out: undefined })
    // The topic was recreated.
    expect(trendOf(look(5, at(0, 9, 30)), look(0, at(1, 90, 30)), all, PATIENCE)).to.include({ in: undefined, state: 'unknown' })
    const cut = { ...at(9, 9).of(NOON), lag: null, unreadMs: undefined }
    expect(trendOf({ atMs: NOON, partitions: [cut] }, undefined, all, PATIENCE)).to.include({ lag: undefined, state: 'unknown' })
  })

  it('is not older than nothing by a clock that is ahead', () => {
    expect(trendOf(look(5, at(1, 9, -30)), look(0, at(1, 9, -35)), all, PATIENCE)).to.include({ timeLagSeconds: 0, state: 'following' })
  })
})
