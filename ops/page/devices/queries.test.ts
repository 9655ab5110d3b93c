import { expect } from 'chai'
import { historyQuery, listQuery, parseQuery } from './queries.ts'

describe('what the pages of devices may be asked', () => {
  const span = { ids: '["hive-7","hive-7/brood"]', quantities: '["temperature"]', from: '1000', to: '2000' }

  it('takes any name, as text', () => {
    const name = `=cmd|'/c calc'!A1 <img src=x onerror="alert(1)">`
    expect(parseQuery(historyQuery, { ...span, ids: JSON.stringify([name]) })).to.deep.equal({
      query: { ids: [name], quantities: ['temperature'], from: 1000, to: 2000, points: 600 },
    })
    expect(parseQuery(listQuery, { search: name })).to.deep.equal({ query: { search: name } })
  })

  it('says what it expects instead of what it cannot use', () => {
    const faults = [
      parseQuery(historyQuery, { ...span, ids: '["a"' }),
      parseQuery(historyQuery, { ...span, quantities: '["temperature; DROP TABLE readings"]' }),
      parseQuery(historyQuery, { ...span, to: '1000' }),
      parseQuery(historyQuery, { ...span, ids: JSON.stringify(Array.from({ length: 51 }, String)) }),
      parseQuery(listQuery, { site: '1 OR true' }),
      parseQuery(listQuery, { state: ['lost', 'silent'] }),
    ]
    expect(faults.map((each) => ('fault' in each ? each.fault.split(':')[0] : each))).to.deep.equal([
      'ids',
      'quantities.0',
      'expected "from" before "to"',
      'ids',
      'site',
      'state',
    ])
  })
})
