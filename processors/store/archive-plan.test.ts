import { expect } from 'chai'
import { addFigures, type DayFigures, differences, withoutFigures } from './archive-figures.ts'
import { planArchive } from './archive-plan.ts'
import type { PlannedPartition } from './partition-plan.ts'
import { DAY_MS, HOUR_MS } from './time-ranges.ts'

const NOON_MS = Date.UTC(2026, 10, 23, 12)
const TODAY = Math.floor(NOON_MS / DAY_MS)
const NONE = { archived: [], strays: new Set<number>() }

function part(ago: number, fromHour = 0, toHour = 24, more: Partial<PlannedPartition> = {}): PlannedPartition {
  const startMs = (TODAY - ago) * DAY_MS
  return {
    name: `${ago}/${fromHour}`,
    own: true,
    filled: true,
    fromMs: startMs + fromHour * HOUR_MS,
    toMs: startMs + toHour * HOUR_MS,
    ...more,
  }
}

describe('the plan of the archive', () => {
  const settings = { afterDays: 2, retentionDays: undefined }
  const days = (partitions: readonly PlannedPartition[], strays: readonly number[] = []) => {
    const { due, held, gather } = planArchive(partitions, settings, { archived: [], strays: new Set(strays) }, NOON_MS)
    return { due: due.map(({ day, partitions: those }) => `${day} ${those.map(({ name }) => name).join('+')}`), held, gather }
  }

  it('takes days that are over for as long as was asked, oldest first, with all their partitions', () => {
    expect(days([part(0), part(2), part(3), part(5, 0, 13), part(5, 13), part(4, 0, 24, { filled: false })]).due).to.deep.equal([
      '2026-11-18 5/0+5/13',
      '2026-11-20 3/0',
    ])
    expect(days([part(-1, 0, 24, { filled: false }), part(3), part(4)]).due, 'age counts from the newest day with rows').to.deep.equal([])
  })

  it('holds a day of which something is not Millrace’s, or that cannot go as a whole, and says why', () => {
    const { due, held, gather } = days(
      [part(0), part(9, 0, 12), part(9, 12, 24, { own: false }), part(7, 0, 48), part(6)],
      [TODAY - 6, TODAY - 12],
    )
    expect(due).to.deep.equal([])
    expect(held).to.deep.equal([
      { day: '2026-11-14', why: 'a partition of it is not one that Millrace made' },
      { day: '2026-11-16', why: 'its chunk has more than one day, or another beginning' },
      { day: '2026-11-17', why: 'rows of it lie in the default partition: `millrace partitions drain`' },
    ])
    expect(gather).to.deep.equal([TODAY - 12, TODAY - 6])
  })

  it('removes archived days by their own age, and none if no day has rows', () => {
    const plan = (partitions: readonly PlannedPartition[]) =>
      planArchive(
        partitions,
        { afterDays: 2, retentionDays: 10 },
        { ...NONE, archived: ['2026-11-13', '2026-11-12', '2026-01-01'] },
        NOON_MS,
      ).remove
    expect(plan([part(0)])).to.deep.equal(['2026-01-01', '2026-11-12'])
    expect(plan([])).to.deep.equal([])
  })
})

describe('the figures of a day', () => {
  const figures = (rows: number, sum: number, magnitude: number, whole = '5'): DayFigures => ({
    rows,
    firstMicros: 1,
    lastMicros: rows,
    columns: new Map([
      ['temperature', { values: rows, sum, magnitude }],
      ['account_id', { values: rows, sum: whole, magnitude: 0 }],
    ]),
  })

  it('differ in a row, a value, a whole sum, or a sum beyond 1e-9 of what was added up', () => {
    expect(differences(figures(2, 1e-7, 1000), figures(2, 2e-7, 1000))).to.deep.equal([])
    expect(differences(figures(2, 1, 1000), figures(2, 1.01, 1000))).to.deep.equal(['sum of temperature: expected 1, found 1.01'])
    expect(differences(figures(2, 1, 1), figures(2, 1, 1, '6'))).to.deep.equal(['sum of account_id: expected 5, found 6'])
    expect(differences(figures(2, 1, 1), figures(3, 1, 1))).to.include.members([
      'rows: expected 2, found 3',
      'values of temperature: expected 2, found 3',
    ])
    expect(differences({ ...figures(2, 1, 1), columns: new Map() }, figures(2, 1, 1))).to.deep.equal([
      'values of temperature: expected 0, found 2',
      'values of account_id: expected 0, found 2',
    ])
  })

  it('add up, whole sums without rounding', () => {
    const big = '9007199254740993'
    const both = addFigures(figures(2, 1, 1, big), figures(3, 2, 2, '1'))
    expect([both.rows, both.firstMicros, both.lastMicros, both.columns.get('account_id')?.sum]).to.deep.equal([5, 1, 3, '9007199254740994'])
    expect(withoutFigures(both, figures(3, 2, 2, '1')).columns.get('account_id')).to.deep.equal({ values: 2, sum: big, magnitude: 0 })
  })
})
