import { expect } from 'chai'
import { MappingError, parseMapping } from './mapping.ts'

const column = (name: string) => ({ tag: 'column', name })

describe('a mapping', () => {
  it('names columns, units and constants', () => {
    expect(parseMapping("time=timestamp, device='hive-7', temperature=value[degF]")).to.deep.equal([
      { target: 'time', sources: [column('timestamp')], unit: undefined, bare: 'timestamp' },
      { target: 'device', sources: [{ tag: 'constant', text: 'hive-7' }], unit: undefined, bare: undefined },
      { target: 'temperature', sources: [column('value')], unit: 'degF', bare: 'value[degF]' },
    ])
  })

  it('takes any name in double quotes, and a name with an apostrophe without', () => {
    expect(parseMapping('temperature="Temp, ""outside"" [C]"[Cel],humidity=l\'humidité')).to.deep.equal([
      { target: 'temperature', sources: [column('Temp, "outside" [C]')], unit: 'Cel', bare: undefined },
      { target: 'humidity', sources: [column("l'humidité")], unit: undefined, bare: undefined },
    ])
  })

  it('joins columns', () => {
    expect(parseMapping('time=Date+"Time of day"')[0]?.sources).to.deep.equal([column('Date'), column('Time of day')])
  })

  it('takes a unit at the end, with the brackets that UCUM has or without', () => {
    const unit = (text: string) => parseMapping(text).map((entry) => [entry.unit, entry.sources[0]])
    expect(unit('temperature=Temp [C] out[degF]')).to.deep.equal([['degF', column('Temp [C] out')]])
    expect(unit('temperature=T[[degF]],pressure=P [m[Hg]]')).to.deep.equal([
      ['[degF]', column('T')],
      ['m[Hg]', column('P')],
    ])
  })

  for (const text of ['', 'temperature', '=x', 'temperature=', 'Temperature=x', 'time=a+', 'device="x', "device='"])
    it(`refuses ${JSON.stringify(text)} and says what was expected`, () => {
      expect(() => parseMapping(text)).to.throw(MappingError, 'expected')
    })
})
