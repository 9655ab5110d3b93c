import { expect } from 'chai'
import fc from 'fast-check'
import { dayOf, dayStart, instant, laterPartitionName, partitionDay, partitionName } from './days.ts'

/** Years 1970 to 2200. */
const days = fc.integer({ min: 0, max: 84_000 })

describe('days of partitions', () => {
  it('name the partition by its UTC date', () => {
    const day = dayOf(Date.UTC(2026, 10, 23, 23, 59, 59, 999))
    expect(partitionName(day)).to.equal('readings_20261123')
    expect(dayStart(day)).to.equal('2026-11-23 00:00:00+00')
  })

  it('name a further partition of the day by its first second', () => {
    const fromMs = Date.UTC(2026, 10, 23, 13)
    expect(laterPartitionName(fromMs)).to.equal('readings_20261123_130000')
    expect(partitionDay(laterPartitionName(fromMs))).to.equal(dayOf(fromMs))
    expect(instant(fromMs)).to.equal('2026-11-23 13:00:00.000+00')
  })

  it('count back before 1970', () => {
    expect(dayOf(-1)).to.equal(-1)
    expect(partitionName(-1)).to.equal('readings_19691231')
  })

  it('are found again from the partition’s name', () => {
    fc.assert(fc.property(days, (day) => partitionDay(partitionName(day)) === day))
  })

  it('are not read from other names', () => {
    for (const name of ['readings', 'readings_default', 'readings_20261301', 'readings_20260230', 'readings_20261123_old']) {
      expect(partitionDay(name), name).to.equal(undefined)
    }
  })

  it('begin where the day before ends', () => {
    fc.assert(fc.property(days, (day) => dayOf(Date.parse(dayStart(day).replace(' ', 'T').replace('+00', 'Z'))) === day))
  })
})
