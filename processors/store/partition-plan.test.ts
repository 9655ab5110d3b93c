import { expect } from 'chai'
import fc from 'fast-check'
import { clockFault, daysReady, fateOf, type PlannedPartition, planPartitions, retentionCutoff } from './partition-plan.ts'
import { DAY_MS, dayRange, gaps, HOUR_MS, overlaps, pieces, type TimeRange } from './time-ranges.ts'

const TODAY = 20_780
const NOON_MS = TODAY * DAY_MS + 12 * HOUR_MS

const day = (index: number, more: Partial<PlannedPartition> = {}): PlannedPartition => ({
  name: `day ${index}`,
  ...dayRange(index),
  own: true,
  filled: true,
  ...more,
})
const days = (first: number, last: number): PlannedPartition[] => Array.from({ length: last - first + 1 }, (_, index) => day(first + index))
const keepAll = { daysAhead: 7, retentionDays: undefined }

describe('the plan of partitions', () => {
  it('makes what is missing of today and the days ahead, and drops nothing unless told how long to keep', () => {
    const { make, drop } = planPartitions(days(TODAY - 400, TODAY + 4), keepAll, NOON_MS)
    expect(make).to.deep.equal([dayRange(TODAY + 5), dayRange(TODAY + 6), dayRange(TODAY + 7)])
    expect(drop).to.deep.equal([])
    expect(planPartitions([], keepAll, NOON_MS).make).to.have.length(8)
  })

  it('makes only what a partition of somebody’s own week leaves open', () => {
    const week = day(TODAY, { fromMs: (TODAY - 3) * DAY_MS, toMs: (TODAY + 4) * DAY_MS + 6 * HOUR_MS, own: false })
    const { make } = planPartitions([week], { daysAhead: 5, retentionDays: 1 }, NOON_MS)
    expect(make).to.deep.equal([{ fromMs: week.toMs, toMs: (TODAY + 5) * DAY_MS }, dayRange(TODAY + 5)])
  })

  it('drops days whose retention is over, oldest first, to the day', () => {
    const { drop } = planPartitions(days(TODAY - 5, TODAY + 7).reverse(), { daysAhead: 7, retentionDays: 3 }, NOON_MS)
    expect(drop.map(({ name }) => name)).to.deep.equal([`day ${TODAY - 5}`, `day ${TODAY - 4}`])
  })

  it('drops the same at every moment of a day, and the next one at midnight', () => {
    const dropped = (nowMs: number) => planPartitions(days(TODAY - 5, TODAY + 7), { daysAhead: 7, retentionDays: 3 }, nowMs).drop.length
    expect([TODAY * DAY_MS, (TODAY + 1) * DAY_MS - 1, (TODAY + 1) * DAY_MS].map(dropped)).to.deep.equal([2, 2, 3])
  })

  it('leaves alone what Millrace did not make, and names it', () => {
    const old = day(TODAY - 30, { own: false, name: 'theirs' })
    const { drop, leftAlone } = planPartitions([old, ...days(TODAY - 1, TODAY)], { daysAhead: 0, retentionDays: 7 }, NOON_MS)
    expect(drop).to.deep.equal([])
    expect(leftAlone.map(({ name }) => name)).to.deep.equal(['theirs'])
  })

  it('counts age from the newest day with rows: a clock that is a year ahead drops nothing more', () => {
    const there = [...days(TODAY - 9, TODAY), ...Array.from({ length: 7 }, (_, ahead) => day(TODAY + 1 + ahead, { filled: false }))]
    const settings = { daysAhead: 7, retentionDays: 5 }
    const now = planPartitions(there, settings, (TODAY + 1) * DAY_MS).drop
    expect(planPartitions(there, settings, NOON_MS + 365 * DAY_MS).drop).to.deep.equal(now)
    expect(now).to.have.length(5)
  })

  it('drops nothing of an empty table', () => {
    expect(retentionCutoff([day(TODAY, { filled: false })], 1, NOON_MS)).to.equal(Number.NEGATIVE_INFINITY)
  })

  it('never drops what is less than its retention old, by the clock or by the rows', () => {
    const partition = fc.record({ index: fc.integer({ min: TODAY - 60, max: TODAY + 30 }), filled: fc.boolean() })
    const some = fc.array(partition).map((all) => all.map(({ index, filled }) => day(index, { filled })))
    fc.assert(
      fc.property(some, fc.integer({ min: 1, max: 40 }), fc.integer({ min: -50, max: 400 }), (there, retentionDays, off) => {
        const nowMs = NOON_MS + off * DAY_MS
        const newest = Math.max(...there.filter(({ filled }) => filled).map(({ toMs }) => toMs))
        for (const { toMs } of planPartitions(there, { daysAhead: 7, retentionDays }, nowMs).drop)
          expect(toMs + retentionDays * DAY_MS).to.be.at.most(Math.min(nowMs, newest))
      }),
    )
  })

  it('leaves nothing to make once it was followed', () => {
    const begins = fc.integer({ min: -20, max: 20 * 24 })
    const taken = fc
      .array(begins, { maxLength: 6 })
      .map((hours) =>
        [...new Set(hours)]
          .sort((one, other) => one - other)
          .map((hour) => day(0, { fromMs: TODAY * DAY_MS + hour * HOUR_MS, toMs: TODAY * DAY_MS + (hour + 1) * HOUR_MS })),
      )
    fc.assert(
      fc.property(taken, (there) => {
        const { make } = planPartitions(there, keepAll, NOON_MS)
        for (const range of make) expect(there.some((each) => overlaps(each, range))).to.equal(false)
        const after = [...there, ...make.map((range) => day(0, range))]
        expect(planPartitions(after, keepAll, NOON_MS).make).to.deep.equal([])
        expect(daysReady(after, NOON_MS)).to.be.at.least(7)
      }),
    )
  })

  it('does nothing while the clocks differ by more than ten minutes, and says both', () => {
    expect(clockFault({ nowMs: NOON_MS + 600_000, databaseMs: NOON_MS })).to.equal(undefined)
    expect(clockFault({ nowMs: NOON_MS + 365 * DAY_MS, databaseMs: NOON_MS })).to.equal(
      "this machine's clock says 2027-11-23T12:00:00.000Z, the database's 2026-11-23T12:00:00.000Z: no partition is made or dropped before they agree",
    )
    expect(clockFault({ nowMs: NOON_MS, databaseMs: Number.NaN })).to.match(/does not say what time it is/)
  })

  it('says when a partition goes', () => {
    expect(fateOf(day(TODAY), 3, NOON_MS)).to.deep.equal({ state: 'open', dropsMs: (TODAY + 4) * DAY_MS })
    expect(fateOf(day(TODAY - 1), undefined, NOON_MS)).to.deep.equal({ state: 'closed', dropsMs: null })
    expect(fateOf(day(TODAY - 1, { own: false }), 3, NOON_MS).dropsMs).to.equal(null)
  })
})

describe('ranges of time', () => {
  it('have as gaps what no other has', () => {
    const hour = (from: number, to: number): TimeRange => ({ fromMs: from * HOUR_MS, toMs: to * HOUR_MS })
    expect(gaps(hour(0, 24), [hour(20, 30), hour(-5, 2), hour(4, 6), hour(5, 8)])).to.deep.equal([hour(2, 4), hour(8, 20)])
    expect(gaps(hour(0, 24), [hour(-1, 25)])).to.deep.equal([])
    expect(gaps(hour(0, 24), [{ fromMs: Number.NEGATIVE_INFINITY, toMs: 3 * HOUR_MS }])).to.deep.equal([hour(3, 24)])
    expect(gaps(hour(0, 24), [{ fromMs: Number.NaN, toMs: Number.NaN }])).to.deep.equal([hour(0, 24)])
  })

  it('are cut at full hours so that no piece has more rows, and the pieces are the whole', () => {
    const counts = fc.dictionary(fc.integer({ min: 0, max: 23 }).map(String), fc.integer({ min: 1, max: 50 }))
    fc.assert(
      fc.property(counts, (byHour) => {
        const rows = new Map(Object.entries(byHour).map(([hour, count]) => [TODAY * 24 + Number(hour), count]))
        const cut = pieces(dayRange(TODAY), rows, 100)
        expect([cut[0]?.fromMs, cut.at(-1)?.toMs]).to.deep.equal([dayRange(TODAY).fromMs, dayRange(TODAY).toMs])
        for (const [index, piece] of cut.entries()) {
          if (index > 0) expect(piece.fromMs).to.equal(cut[index - 1]?.toMs)
          const within = [...rows].filter(([hour]) => hour * HOUR_MS >= piece.fromMs && hour * HOUR_MS < piece.toMs)
          expect(within.reduce((sum, [, count]) => sum + count, 0)).to.be.at.most(100)
        }
      }),
    )
    expect(pieces(dayRange(TODAY), new Map(), 100)).to.deep.equal([dayRange(TODAY)])
  })
})
