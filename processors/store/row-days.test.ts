import { expect } from 'chai'
import fc from 'fast-check'
import { MOST_DAYS } from '../time-bounds.ts'
import { RowDays, TooManyDaysError } from './row-days.ts'

const DAY = 86_400_000_000

describe('the days of rows', () => {
  it('are those of the records that were kept, and a record is refused for its own days alone', () => {
    const record = fc.array(fc.integer({ min: -150, max: 150 }), { maxLength: 200 })
    const narrow = fc.array(fc.integer({ min: 0, max: 2 }), { maxLength: 5 })
    fc.assert(
      fc.property(fc.array(fc.oneof(record, narrow), { maxLength: 8 }), (records) => {
        const days = new RowDays()
        const expected = new Set<number>()
        for (const each of records) {
          days.begin()
          for (const day of each) days.note(day * DAY + 5)
          const own = new Set(each)
          if (own.size > MOST_DAYS) {
            expect(() => days.check()).to.throw(TooManyDaysError, `its samples fall on ${own.size} days; expected at most ${MOST_DAYS}`)
            days.undo()
          } else {
            days.check()
            for (const day of own) expected.add(day)
          }
          expect(days.list()).to.have.members([...expected])
          expect(days.size).to.equal(expected.size)
        }
        days.clear()
        expect(days.size).to.equal(0)
      }),
    )
  })

  it('count the day that a record has in common with the one before', () => {
    const days = new RowDays()
    days.begin()
    days.note(0)
    days.begin()
    for (let day = 0; day <= MOST_DAYS; day++) days.note(day * DAY)
    expect(() => days.check()).to.throw(TooManyDaysError, `on ${MOST_DAYS + 1} days`)
    days.undo()
    days.begin()
    for (let day = 1; day <= MOST_DAYS; day++) days.note(day * DAY)
    days.check()
    expect(days.size).to.equal(MOST_DAYS + 1)
  })
})
