import { readFileSync } from 'node:fs'
import { expect } from 'chai'
import { projectRoot } from '../../../schemas/files.ts'
import { cases } from './cases.ts'
import { type Measured, measure } from './measure.ts'
import { isRight, withTable } from './table.ts'

const PAGE = 'docs/processes/movement.md'

describe('movement, with receivers and hives that make it hard', () => {
  const measured: Measured[] = []

  for (const each of cases) {
    it(`${each.promised ? '' : 'promises nothing: '}${each.name}`, () => {
      const found = measure(each)
      measured.push(found)
      if (each.promised) expect(isRight(found), JSON.stringify(found)).to.equal(true)
    })
  }

  it(`gives the table of ${PAGE}: run make generate if it does not`, () => {
    const page = readFileSync(`${projectRoot}${PAGE}`, 'utf8')
    expect(withTable(page, measured)).to.equal(page)
  })
})
