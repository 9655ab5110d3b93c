import { expect } from 'chai'
import fc from 'fast-check'
import { convert, IDENTITY } from './conversion.ts'
import { quantities } from './generated/readings.ts'
import { conversionOf, explainNoConversion, isUnit, requireConversion, UnitError } from './units.ts'

/** As the definitions of UCUM and the international yard and pound have them. */
const KNOWN: readonly (readonly [value: number, from: string, to: string, result: number])[] = [
  [93.2, '[degF]', 'Cel', 34],
  [34, 'Cel', '[degF]', 93.2],
  [0, 'Cel', 'K', 273.15],
  [300, 'K', 'Cel', 26.85],
  [21500, 'mCel', 'Cel', 21.5],
  [491.67, '[degR]', 'Cel', 0],
  [101325, 'Pa', 'hPa', 1013.25],
  [101.3, 'kPa', 'hPa', 1013],
  [1013.25, 'mbar', 'hPa', 1013.25],
  [4.25, 'bar', 'hPa', 4250],
  [1, 'atm', 'hPa', 1013.25],
  [760, 'mm[Hg]', 'hPa', 1013.2472],
  [29.92, "[in_i'Hg]", 'hPa', 1013.20453696],
  [14.5, '[psi]', 'hPa', 999.7398075094123],
  [2500, 'g', 'kg', 2.5],
  [1, '[lb_av]', 'kg', 0.45359237],
  [16, '[oz_av]', '[lb_av]', 1],
  [3.7, 'mV', 'V', 0.0037],
  [230, 'V', 'kV', 0.23],
  [15, 'uA', 'A', 0.000015],
  [1.2, 'kW', 'W', 1200],
  [0.5, 'MW', 'W', 500000],
  [1, 'kW.h', 'MJ', 3.6],
  [1, 'W.h', 'J', 3600],
  [1, 'kHz', 'Hz', 1000],
  [50, 'Hz', '/min', 3000],
  [50, '1/s', '/min', 3000],
  [36, 'km/h', 'm/s', 10],
  [1, '[mi_i]/h', 'm/s', 0.44704],
  [1, '[kn_i]', 'km/h', 1.852],
  [1, '[ft_i]', 'm', 0.3048],
  [1, '[in_i]', 'mm', 25.4],
  [0.65, '1', '%', 65],
  [1, '%', '[ppm]', 10000],
  [1, '[ppm]', '[ppb]', 1000],
  [0.41, '10*-3', '%', 0.041],
  [12, 'dB', 'B', 1.2],
  [0, 'dB[mW]', 'dB[W]', -30],
  [10, '[ftcd]', 'lx', 107.63910416709723],
  [180, 'deg', 'rad', Math.PI],
  [100, 'gon', 'deg', 90],
  [90, 'min', 'h', 1.5],
  [2, 'h', 'ms', 7200000],
  [1, '[in_i]/s', 'mm/s', 25.4],
  [1, '[g]', 'm/s2', 9.80665],
  [980.665, 'm[g]', 'cm/s2', 961.703842225],
  [0.12, 'uSv/h', 'nSv/h', 120],
  [35, 'ug/m3', 'mg/m3', 0.035],
  [7, 'mg/l', 'g/m3', 7],
  [1, '[gal_us]/min', 'l/min', 3.785411784],
  [5, 'm3/h', 'l/s', 1.3888888888888888],
  [1413, 'uS/cm', 'mS/cm', 1.413],
  [1, 'KiBy', 'By', 1024],
  [1, 'Mbit/s', 'kBy/s', 125],
  [40, '%{RH}', '%', 40],
  [7, '{count}', '1', 7],
  [1, 'kV.A{reactive}', 'W', 1000],
  [1, 'N.m', 'J', 1],
  [1, 'kgf', 'N', 9.80665],
]

describe('units', () => {
  for (const [value, from, to, result] of KNOWN)
    it(`${value} ${from} is ${result} ${to}`, () => {
      expect(convert(value, requireConversion(from, to))).to.equal(result)
    })

  it('know the unit of every standard quantity', () => {
    for (const { name, unit } of quantities) expect(isUnit(unit), `${name}: ${unit}`).to.equal(true)
  })

  it('are the same both ways', () => {
    const codes = KNOWN.map(([, from, to]) => [from, to] as const)
    fc.assert(
      fc.property(fc.constantFrom(...codes), fc.integer({ min: -1_000_000, max: 1_000_000 }), ([from, to], value) => {
        const [there, back] = [requireConversion(from, to), requireConversion(to, from)]
        // back(there(value)) = value, as fractions
        expect(back.numerator * there.numerator).to.equal(back.denominator * there.denominator)
        expect(back.numerator * there.addend + back.addend * there.denominator).to.equal(0n)
        if (there === IDENTITY) expect(convert(value, there)).to.equal(value)
      }),
    )
  })

  it('refuse a conversion between different dimensions, and name both', () => {
    expect(conversionOf('Cel', 'hPa')).to.equal(undefined)
    expect(() => requireConversion('C', 'Cel')).to.throw(
      UnitError,
      'C measures an electric charge, Cel a temperature: no conversion leads from one to the other',
    )
    for (const [from, to] of [
      ['dB', '%'],
      ['dB', 'dB[mW]'],
      ['kg', 'N'],
      ['W', 'W.h'],
      ['rad', '1'],
      ['mol', '1'],
      ['m', 'm2'],
    ] as const)
      expect(conversionOf(from, to), `${from} to ${to}`).to.equal(undefined)
    expect(explainNoConversion('kg.m', 'm')).to.equal('kg.m measures g.m, m a length: no conversion leads from one to the other')
  })

  it('refuse what is no code, and say what is meant', () => {
    for (const code of [
      '',
      'C°',
      '°C',
      'hpa',
      'HPA',
      'mmin',
      'kmin',
      'kkg',
      'mkg',
      'm/',
      '.m',
      'm..s',
      'm//s',
      'm0',
      'm99',
      '[',
      '[]',
      'm[',
      'Cel2',
      'W/Cel',
      'Cel.m',
      '/Cel',
      '1.5',
      '1.10',
      '-1',
      'm s',
      'k',
      '{',
      'm{',
      '__proto__',
      'constructor',
      'toString',
    ])
      expect(isUnit(code), code).to.equal(false)
    expect(explainNoConversion('°C', 'Cel')).to.equal('expected a UCUM code, such as Cel, hPa or km/h, got "°C": that is Cel')
    expect(explainNoConversion('hPa', '\u001b[31m\u202e')).to.equal(
      'expected a UCUM code, such as Cel, hPa or km/h, got "\\u001b[31m\\u202e"',
    )
    expect(explainNoConversion('x'.repeat(1e6), 'm').length).to.be.lessThan(120)
  })

  it('read any text in bounded time, and never throw', () => {
    const text = fc.oneof(
      fc.string({ maxLength: 60 }),
      fc
        .array(fc.constantFrom('m', 's', 'k', 'Cel', '/', '.', '2', '-', '[', ']', '{', '}', 'g', '9', '10*'), { maxLength: 40 })
        .map((parts) => parts.join('')),
    )
    fc.assert(
      fc.property(text, text, (from, to) => {
        conversionOf(from, to)
        expect(explainNoConversion(from, to)).to.be.a('string')
      }),
      { numRuns: 1000 },
    )
  })
})
