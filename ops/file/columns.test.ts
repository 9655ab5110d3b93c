import { expect } from 'chai'
import { findColumns } from './columns.ts'
import { MappingError, parseMapping } from './mapping.ts'

const find = (header: readonly string[], map: string, device?: string) =>
  findColumns(header, { mapping: map === '' ? [] : parseMapping(map), device })

describe('the columns of a file', () => {
  it('are by position without a mapping', () => {
    const { time, device, values } = find(['Date', 'Tag number', 'temperature', 'humidity'], '')
    expect([time, device]).to.deep.equal([[{ tag: 'field', index: 0 }], { tag: 'field', index: 1 }])
    expect(values.map(({ quantity, index }) => [quantity, index])).to.deep.equal([
      ['temperature', 2],
      ['humidity', 3],
    ])
    expect(find(['t', 'power'], '', 'plug').values[0]).to.include({ quantity: 'power', index: 1 })
  })

  it('suggest a mapping if their names are no quantities', () => {
    expect(() => find(['Date', 'Tag', 'Outside temperature'], '')).to.throw(
      MappingError,
      '"Outside temperature"; or say which column is what: --map "time=Date,device=Tag,temperature=Outside temperature"',
    )
  })

  it('are those that a mapping names, with their units; the others are ignored', () => {
    const { values, ignored, words } = find(['ts', 'device', 'T', 'note'], 'temperature=T[degF]')
    expect(values[0]?.conversion).to.deep.equal({ numerator: 5n, denominator: 9n, addend: -160n })
    expect(ignored).to.deep.equal(['note'])
    expect(words).to.deep.equal(['time=ts', 'device=device', 'temperature=T[degF]'])
  })

  it('may have brackets or a plus in their names', () => {
    expect(find(['time', 'Temp[Cel]+1'], 'temperature=Temp[Cel]+1', 'a').values[0]?.index).to.equal(1)
  })

  it('are told apart by their number', () => {
    expect(() => find(['time', 'x', 'x'], 'temperature=x', 'a')).to.throw(MappingError, 'temperature=#2')
    expect(find(['time', 'x', 'x'], 'temperature=#3', 'a').values[0]?.index).to.equal(2)
  })

  const wrong: readonly (readonly [map: string, problem: string])[] = [
    ['time=nosuch,temperature=x', 'there is no column "nosuch"\nthe file has the columns "time", "device", "x"'],
    ['colour=x', 'got "colour"'],
    ['temperature=x,temperature=x', 'temperature once'],
    ['temperature=x[kg]', 'kg measures'],
    ['temperature=x[nosuch]', 'nosuch'],
    ['time=time', 'at least one quantity'],
    ["temperature='20'", 'expected a column'],
    ['temperature=time+x', 'expected one column'],
    ['temperature=#9', 'there is no column "#9"'],
  ]
  for (const [map, problem] of wrong)
    it(`refuse ${map}`, () => {
      expect(() => find(['time', 'device', 'x'], map)).to.throw(MappingError, problem)
    })
})
