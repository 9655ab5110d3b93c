import { expect } from 'chai'
import fc from 'fast-check'
import { type ConflictPolicy, mergeColumns, type RowValues } from './merge-columns.ts'

const value = fc.option(fc.constantFrom(1, 2, 3))
const row = fc.record({ estimated: fc.boolean(), values: fc.array(value, { minLength: 5, maxLength: 5 }) })
const policy = fc.constantFrom<ConflictPolicy>('keep-first', 'keep-last')
const quantities = (...values: (number | null)[]): RowValues => ({ estimated: false, values: [null, null, ...values] })
const assigned = (account: number | null, site: number | null): RowValues => ({ estimated: false, values: [account, site] })
const copy = ({ estimated, values }: RowValues): RowValues => ({ estimated, values: [...values] })

describe('rows of one device and time', () => {
  it('merge by column: a quantity that was null is added', () => {
    const there = quantities(21.5, null)
    expect(mergeColumns(there, quantities(null, 40), 'keep-first')).to.deep.equal({ outcome: 'merged', changed: true, conflict: undefined })
    expect(there).to.deep.equal(quantities(21.5, 40))
  })

  it('are a repeat if nothing is new, NaN and the sign of zero included', () => {
    for (const [there, given] of [
      [quantities(21.5, 40), quantities(21.5, 40)],
      [quantities(21.5, 40), quantities(null, 40)],
      [quantities(0, Number.NaN), quantities(-0, Number.NaN)],
    ] as const) {
      const before = copy(there)
      expect(mergeColumns(there, given, 'keep-last')).to.deep.equal({ outcome: 'repeated', changed: false, conflict: undefined })
      expect(there).to.deep.equal(before)
    }
  })

  it('conflict if a value differs: the policy decides which one stays, and what else is new is added all the same', () => {
    const first = quantities(21.5, null)
    expect(mergeColumns(first, quantities(22, 40), 'keep-first')).to.deep.equal({
      outcome: 'conflict',
      changed: true,
      conflict: { column: 2, kept: 21.5, refused: 22 },
    })
    expect(first).to.deep.equal(quantities(21.5, 40))
    const last = quantities(21.5, null)
    expect(mergeColumns(last, quantities(22, 40), 'keep-last').conflict).to.deep.equal({ column: 2, kept: 22, refused: 21.5 })
    expect(last).to.deep.equal(quantities(22, 40))
  })

  it('take account and site together', () => {
    const cases: readonly (readonly [RowValues, RowValues, ConflictPolicy, string, RowValues])[] = [
      [assigned(null, null), assigned(1, 2), 'keep-first', 'merged', assigned(1, 2)],
      [assigned(1, null), assigned(1, 2), 'keep-first', 'merged', assigned(1, 2)],
      [assigned(1, null), assigned(3, 4), 'keep-first', 'conflict', assigned(1, null)],
      [assigned(1, 2), assigned(3, null), 'keep-last', 'conflict', assigned(3, null)],
      [assigned(1, 2), assigned(1, 3), 'keep-last', 'conflict', assigned(1, 3)],
      [assigned(1, 2), assigned(null, null), 'keep-last', 'repeated', assigned(1, 2)],
    ]
    for (const [there, given, by, outcome, after] of cases) {
      expect(mergeColumns(there, given, by).outcome).to.equal(outcome)
      expect(there).to.deep.equal(after)
    }
  })

  it('have an estimated time once one of their values has', () => {
    const exact = quantities(1, null)
    mergeColumns(exact, { ...quantities(null, 2), estimated: true }, 'keep-first')
    expect(exact.estimated).to.equal(true)
    const repeat = quantities(1, null)
    expect(mergeColumns(repeat, { ...quantities(1, null), estimated: true }, 'keep-first').changed).to.equal(false)
    expect(repeat.estimated).to.equal(false)
  })

  it('are a repeat the second time with `last`, and conflict again but change nothing with `first`', () => {
    fc.assert(
      fc.property(row, row, policy, (there, given, by) => {
        mergeColumns(there, given, by)
        const before = copy(there)
        expect(mergeColumns(there, given, by).outcome).to.be.oneOf(by === 'keep-last' ? ['repeated'] : ['repeated', 'conflict'])
        expect(there).to.deep.equal(before)
      }),
    )
  })

  it('never lose a value, and say so whenever one changes', () => {
    fc.assert(
      fc.property(row, row, policy, (there, given, by) => {
        const before = copy(there)
        const { changed, outcome } = mergeColumns(there, given, by)
        expect(changed).to.equal(there.values.some((each, column) => each !== before.values[column]))
        for (const [column, each] of before.values.entries()) {
          if (column === 1) continue
          if (each !== null && (by === 'keep-first' || given.values[column] === null)) expect(there.values[column]).to.equal(each)
          if (each === null) expect(there.values[column]).to.equal(given.values[column])
        }
        if (outcome === 'repeated') expect(there).to.deep.equal(before)
      }),
    )
  })
})
