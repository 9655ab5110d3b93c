import { expect } from 'chai'
import type { Comparison, QuantityDifference } from '../../connectors/postgres/recompute-compare.ts'
import { ReportSum, reportLines, totals } from './report.ts'

const rows = (more: Partial<Comparison>): Comparison => ({
  before: 10,
  now: 10,
  added: 0,
  unbacked: 0,
  changed: 0,
  account: 0,
  site: 0,
  estimated: 0,
  quantities: new Map(),
  ...more,
})
const differing = (more: Partial<QuantityDifference>): QuantityDifference => ({
  differing: 0,
  least: 0,
  greatest: 0,
  sum: 0,
  added: 0,
  unbacked: 0,
  ...more,
})

describe('the report of a recomputation', () => {
  it('adds up days, and keeps the least and the greatest difference of those that have one', () => {
    const sum = new ReportSum()
    sum.add('2026-11-21', false, rows({ changed: 2, quantities: new Map([['temperature', differing({ unbacked: 3 })]]) }))
    sum.add(
      '2026-11-22',
      true,
      rows({ changed: 4, quantities: new Map([['temperature', differing({ differing: 4, least: 2, greatest: 5, sum: 14 })]]) }),
    )
    sum.add('2026-11-23', false, rows({ quantities: new Map([['temperature', differing({ added: 1 })]]) }))
    sum.add('2026-11-24', false, rows({ before: 0, now: 0 }))
    const report = sum.report([])
    expect(report.quantities).to.deep.equal([
      { quantity: 'temperature', differing: 4, least: 2, greatest: 5, mean: 3.5, added: 1, unbacked: 3 },
    ])
    expect(report.days.map(({ day }) => day)).to.deep.equal(['2026-11-21', '2026-11-22', '2026-11-23'])
    expect(totals(report)).to.include({ before: 30, now: 30, changed: 6 })
  })

  it('says what is alike, what differs and by how much, and which days nobody can recompute', () => {
    const sum = new ReportSum()
    sum.add(
      '2026-11-22',
      false,
      rows({
        before: 12,
        changed: 4,
        unbacked: 2,
        site: 1,
        quantities: new Map([['temperature', differing({ differing: 4, least: -1, greatest: 0.1 + 0.2, sum: 1 })]]),
      }),
    )
    expect(reportLines(sum.report(['2026-11-20', '2026-11-21']))).to.deep.equal([
      '12 rows in the table and the archive, 10 recomputed: 6 alike, 4 differ, 0 are there only now, 2 only before: no frame gives them',
      '1 of another site',
      'quantity     rows that differ  by least  mean  most  only now  only before',
      'temperature                 4        -1  0.25   0.3         0            0',
      '2 days went by retention, 2026-11-20 to 2026-11-21: they are left alone, only their roll-ups are left',
    ])
  })
})
