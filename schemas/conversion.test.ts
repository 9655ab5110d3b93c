import { expect } from 'chai'
import fc from 'fast-check'
import { conversion, convert, exactDecimal, nearest, scaling } from './conversion.ts'

const FAHRENHEIT = conversion(5n, 9n, -160n)

describe('a conversion', () => {
  it('is exact in decimals: 93.2 [degF] is 34 Cel', () => {
    expect(convert(93.2, FAHRENHEIT)).to.equal(34)
    expect(convert('93.2', FAHRENHEIT)).to.equal(34)
    expect(convert(-40, FAHRENHEIT)).to.equal(-40)
  })

  it('is in lowest terms, with a positive denominator', () => {
    expect(conversion(10n, -4n, 6n)).to.deep.equal({ numerator: -5n, denominator: 2n, addend: -3n })
    expect(conversion(0n, 7n, 0n)).to.deep.equal({ numerator: 0n, denominator: 1n, addend: 0n })
  })

  it('leaves a value as it is if nothing changes', () => {
    expect(convert(-0, conversion(1n, 1n, 0n))).to.satisfy((value: number) => Object.is(value, -0))
    expect(convert('1795923600123000001', conversion(1n, 1n, 0n))).to.equal(1795923600123000000)
  })

  it('takes integers that no double holds', () => {
    expect(convert(9007199254740993n, conversion(1n, 1n, -9007199254740992n))).to.equal(1)
    expect(convert('9007199254740993', conversion(1n, 1n, -9007199254740992n))).to.equal(1)
  })

  it('says NaN of what is no number, and keeps infinities', () => {
    for (const text of ['', ' ', 'nan', '1,5', '0x10', '1e', '.', '-', '+-1', '1_0', '١', '1 ', 'Infinity'])
      expect(convert(text, FAHRENHEIT), text).to.satisfy(Number.isNaN)
    expect(convert(Number.NaN, FAHRENHEIT)).to.satisfy(Number.isNaN)
    expect(convert(Number.NEGATIVE_INFINITY, FAHRENHEIT)).to.equal(Number.NEGATIVE_INFINITY)
    expect(convert(Number.NEGATIVE_INFINITY, conversion(-1n, 1n, 0n))).to.equal(Number.POSITIVE_INFINITY)
  })

  it('reads what decimal text there is', () => {
    const asIs = conversion(1n, 2n, 0n)
    expect(['+5', '5.', '.5', '-.5e1', '05', '1E2'].map((text) => convert(text, asIs))).to.deep.equal([2.5, 2.5, 0.25, -2.5, 2.5, 50])
  })

  it('takes bounded time for text of any length', () => {
    expect(convert('9'.repeat(900_000), FAHRENHEIT)).to.equal(Number.POSITIVE_INFINITY)
    expect(convert(`0.${'3'.repeat(900_000)}`, conversion(3n, 1n, 0n))).to.equal(0.9999999999999999)
    expect(convert('1e999999999999', FAHRENHEIT)).to.equal(Number.POSITIVE_INFINITY)
    expect(convert('1e-999999999999', FAHRENHEIT)).to.equal(-160 / 9)
  })

  it('is what scale and offset say', () => {
    expect(scaling('0.01', '-40')).to.deep.equal({ numerator: 1n, denominator: 100n, addend: -4000n })
    expect(convert(2383, scaling('0.01'))).to.equal(23.83)
    expect(() => scaling('1,5')).to.throw(RangeError, 'expected a decimal number of at most 64 characters, got "1,5"')
  })

  const decimal = fc
    .tuple(fc.bigInt({ min: -(10n ** 15n), max: 10n ** 15n }), fc.integer({ min: -12, max: 6 }))
    .map(([digits, exponent]) => `${digits}e${exponent}`)
  const factor = fc.tuple(
    fc.bigInt({ min: -(10n ** 12n), max: 10n ** 12n }),
    fc.bigInt({ min: 1n, max: 10n ** 12n }),
    fc.bigInt({ min: -(10n ** 12n), max: 10n ** 12n }),
  )

  it('is the nearest double for every decimal and factor', () => {
    fc.assert(
      fc.property(decimal, factor, (text, [numerator, denominator, addend]) => {
        const by = conversion(numerator, denominator, addend)
        const { top, bottom } = exactDecimal(text)
        expectNearest(convert(text, by), top * numerator + addend * bottom, bottom * denominator)
      }),
    )
  })

  it('is the same for a number as for its shortest text, fast or not', () => {
    fc.assert(
      fc.property(
        fc.oneof(decimal.map(Number), fc.double({ noNaN: true }), fc.integer()),
        factor,
        (value, [numerator, denominator, addend]) => {
          const by = conversion(numerator, denominator, addend)
          if (!Number.isFinite(value)) return
          const [fromNumber, fromText] = [convert(value, by), convert(String(value), by)]
          expect(fromNumber === fromText, `${value}: ${fromNumber}, ${fromText}`).to.equal(true)
        },
      ),
      { numRuns: 500 },
    )
  })

  it('rounds to doubles of any size, the smallest too', () => {
    fc.assert(
      fc.property(fc.double({ noNaN: true, noDefaultInfinity: true }), fc.integer({ min: 1, max: 1000 }), (value, stretch) => {
        const { top, bottom } = binary(value)
        expect(nearest(top * BigInt(stretch), bottom * BigInt(stretch)) === value).to.equal(true)
      }),
      { numRuns: 500 },
    )
    expect(nearest(1n, 2n ** 1075n)).to.equal(0)
    expect(nearest(3n, 2n ** 1075n)).to.equal(2 * Number.MIN_VALUE)
    expect(nearest(2n ** 53n - 1n, 2n ** 1075n)).to.equal(2 ** -1022)
    expect(nearest(2n ** 1024n - 2n ** 970n, 1n)).to.equal(Number.POSITIVE_INFINITY)
    expect(nearest(2n ** 1024n - 2n ** 970n - 1n, 1n)).to.equal(Number.MAX_VALUE)
  })

  it('agrees with the parser of the language about decimal text', () => {
    const wide = fc
      .tuple(fc.bigInt({ min: 0n, max: 10n ** 30n }), fc.integer({ min: -350, max: 310 }))
      .map(([digits, exponent]) => `${digits}e${exponent}`)
    fc.assert(
      fc.property(wide, (text) => {
        const { top, bottom } = exactDecimal(text)
        expect(nearest(top, bottom)).to.equal(Number(text))
      }),
      { numRuns: 500 },
    )
  })
})

/** No double is nearer to the fraction; compared with bigints. */
function expectNearest(found: number, top: bigint, bottom: bigint): void {
  const distance = (double: number): bigint => {
    const { top: above, bottom: below } = binary(double)
    const difference = top * below - above * bottom
    // Over the denominator 2^1074 × bottom, which all share.
    return ((difference < 0n ? -difference : difference) * 2n ** 1074n) / below
  }
  const gap = Math.max(Number.MIN_VALUE, Math.abs(found) * Number.EPSILON)
  expect(distance(found) <= distance(found + gap) && distance(found) <= distance(found - gap), `${found} for ${top}/${bottom}`).to.equal(
    true,
  )
}

/** A double as a fraction. */
function binary(double: number): { readonly top: bigint; readonly bottom: bigint } {
  let [value, exponent] = [double, 0]
  while (!Number.isInteger(value)) {
    value *= 2
    exponent++
  }
  return { top: BigInt(value), bottom: 2n ** BigInt(exponent) }
}
