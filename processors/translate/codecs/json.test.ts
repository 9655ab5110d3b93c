import { expect } from 'chai'
import fc from 'fast-check'
import { CodecError, MOST_DEPTH, RepeatedMember } from './codec.ts'
import { decodeJson } from './json.ts'
import { readJson } from './json-reader.ts'

describe('the codec for JSON', () => {
  it('reads what RFC 8259 allows, with or without a byte order mark', () => {
    const text = ' {"a":[1,-0.5e3,true,null,"é\\u00e9\\n"],"":{}}\r\n'
    const tree = { a: [1, -500, true, null, 'éé\n'], '': {} }
    expect(read(text)).to.deep.equal(tree)
    expect(read(`\ufeff${text}`)).to.deep.equal(tree)
    expect(read('21.4')).to.equal(21.4)
    expect(read('"on"')).to.equal('on')
  })

  const refused: readonly (readonly [what: string, payload: string | Buffer, detail: string])[] = [
    ['nothing', '', 'expected JSON, got nothing'],
    ['a NUL at the end', '{"t":20}\0', 'expected JSON: the end at position 8 of 9, got byte 00'],
    ['NaN', '{"t":NaN}', 'expected JSON: a value at position 5 of 9, got "NaN}"'],
    ['Infinity', '[-Infinity]', 'expected JSON: a number at position 1 of 11, got "-Infinity]"'],
    ['hexadecimal', '[0x10]', 'expected JSON: a number as JSON writes it at position 2 of 6, got "x10]"'],
    ['a leading zero', '[01]', 'expected JSON: a number as JSON writes it at position 2 of 4, got "1]"'],
    ['no digit after the point', '[1.]', 'expected JSON: a number as JSON writes it at position 2 of 4, got ".]"'],
    ['single quotes', "{'t':1}", 'expected JSON: a name in quotation marks at position 1 of 7, got "\'t\':1}"'],
    ['a comma too many', '[1,]', 'expected JSON: a value at position 3 of 4, got "]"'],
    ['a cut message', '{"t":20', 'expected JSON: "," or "}" at its end, position 7 of 7'],
    ['a cut text', '{"t":"20', 'expected JSON: the rest of a text, and its closing quotation mark at its end, position 8 of 8'],
    ['two messages', '{"t":1}{"t":2}', 'expected JSON: the end at position 7 of 14, got "{\\"t\\":2}"'],
    [
      'a line break in a text',
      '["a\nb"]',
      'expected JSON: the rest of a text, and its closing quotation mark at position 3 of 7, got byte 0a',
    ],
    ['a wrong escape', '["a\\x41"]', 'expected JSON: an escape of JSON, such as \\n or \\u00e9 at position 3 of 9, got "\\\\x41\\"]"'],
    ['escapes of a terminal', '{"t":\u009b31m}', 'expected JSON: a value at position 5 of 10, got "\\u009b31m}"'],
    ['Latin-1', Buffer.from('{"t":"\u00e4"}', 'latin1'), 'expected UTF-8, got byte e4 at position 6 of 9'],
    ['UTF-16 with its mark', Buffer.from('\ufeff{"t":1}', 'utf16le'), 'expected UTF-8, got UTF-16: its byte order mark is fffe'],
    ['half a surrogate pair', Buffer.from('2271eda080f122', 'hex'), 'expected UTF-8, got byte ed at position 2 of 7'],
  ]
  for (const [what, payload, detail] of refused)
    it(`refuses ${what}, and says where`, () => {
      expect(() => decodeJson(Buffer.from(payload as string))).to.throw(CodecError, detail)
    })

  it('shows no more than the beginning of what is wrong', () => {
    expect(() => read(`[${'x'.repeat(900_000)}`)).to.throw(CodecError, /^.{1,120}$/)
  })

  it('gives integers that no double holds as they are, and leaves decimals to the nearest double', () => {
    expect(read('[1795923600123456789,-9007199254740993,9007199254740991]')).to.deep.equal([
      1795923600123456789n,
      -9007199254740993n,
      9007199254740991,
    ])
    expect(read('[21.123456789012345678,1e20,1e400,-1e400,5e-324]')).to.deep.equal([
      21.123456789012344,
      1e20,
      Number.POSITIVE_INFINITY,
      Number.NEGATIVE_INFINITY,
      5e-324,
    ])
    expect(read('9'.repeat(41))).to.equal(1e41)
  })

  it('keeps both values of a name that is there twice, and every other name', () => {
    const tree = read('{"a":{"t":1,"\\u0074":"two","h":3,"t":null},"q":"\\"quoted\\""}') as { a: Record<string, unknown>; q: string }
    expect(tree.q).to.equal('"quoted"')
    expect(tree.a.h).to.equal(3)
    expect(tree.a.t).to.be.instanceOf(RepeatedMember)
    expect((tree.a.t as RepeatedMember).values).to.deep.equal([1, 'two', null])
    expect(Object.keys(tree.a.t as object)).to.deep.equal([])
    expect(String(tree.a.t)).to.equal('a member that is there 3 times')
    expect(JSON.stringify(tree.a)).to.equal('{"t":"a member that is there 3 times","h":3}')
  })

  it('takes __proto__ as a name like any other', () => {
    for (const text of ['{"__proto__":{"x":1},"constructor":2}', '{"__proto__":{"x":1},"constructor":2,"q":"\\""}']) {
      const tree = read(text) as Record<string, unknown>
      expect(Object.getPrototypeOf(tree)).to.equal(Object.prototype)
      expect(Object.keys(tree).slice(0, 2)).to.deep.equal(['__proto__', 'constructor'])
      expect(tree.x).to.equal(undefined)
    }
    expect((Object.prototype as unknown as Record<string, unknown>).x).to.equal(undefined)
  })

  it('reads what is nested 64 deep, and refuses 65', () => {
    const nested = (depth: number): string => `${'[{"a":'.repeat(depth / 2)}1${'}]'.repeat(depth / 2)}`
    expect(read(nested(MOST_DEPTH))).to.be.an('array')
    expect(() => read(`[${nested(MOST_DEPTH)}]`)).to.throw(
      CodecError,
      'expected objects and arrays nested at most 64 deep, got more at position',
    )
    expect(read(`[${'[],'.repeat(100)}[]]`)).to.have.length(101)
    expect(() => read('['.repeat(900_000))).to.throw(CodecError)
    expect(() => read(`"${'['.repeat(900_000)}`)).to.throw(CodecError)
  })

  it('takes bounded time for any 900 kB', () => {
    const long: readonly string[] = [
      `"${'\\"'.repeat(450_000)}"`,
      `{${'"a":1,'.repeat(150_000)}"a":1}`,
      `[${'1,'.repeat(450_000)}1]`,
      '9'.repeat(900_000),
      `[${'9'.repeat(900_000)}`,
      `{"a":"${'x'.repeat(890_000)}","a":${'9'.repeat(39)}}`,
      ' '.repeat(900_000),
      `[${'9007199254740993,'.repeat(52_000)}1]`,
    ]
    const start = performance.now()
    for (const text of long) outcome(text)
    expect(performance.now() - start).to.be.lessThan(3_000)
  })

  it('agrees with its own reader about any JSON', () => {
    fc.assert(
      fc.property(fc.json({ maxDepth: 6 }), (text) => {
        expect(outcome(text)).to.deep.equal(readJson(text))
        expect(inDoubles(readJson(text))).to.deep.equal(JSON.parse(text))
      }),
    )
  })

  it('refuses what the parser of the language refuses, and nothing else', () => {
    const piece = fc.constantFrom(
      '{',
      '}',
      '[',
      ']',
      ',',
      ':',
      '"',
      '\\',
      'u00',
      '0',
      '1',
      '-',
      '.',
      'e',
      '+',
      'true',
      'null',
      ' ',
      '\n',
      '\0',
      'é',
    )
    const mutated = fc.tuple(fc.json(), fc.nat(), piece).map(([text, at, with_]) => {
      const place = at % (text.length + 1)
      return text.slice(0, place) + with_ + text.slice(place + (at % 3))
    })
    fc.assert(
      fc.property(
        fc.oneof(
          mutated,
          fc.array(piece, { maxLength: 20 }).map((pieces) => pieces.join('')),
        ),
        (text) => {
          let valid = true
          try {
            JSON.parse(text)
          } catch {
            valid = false
          }
          expect(outcome(text) === REFUSED, text).to.equal(!valid)
          expect(outcome(text, () => readJson(text)) === REFUSED, text).to.equal(!valid)
        },
      ),
      { numRuns: 2_000 },
    )
  })

  it('throws nothing but CodecError for any bytes', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 60 }), (bytes) => {
        outcome(Buffer.from(bytes))
      }),
      { numRuns: 2_000 },
    )
  })
})

const REFUSED = Symbol('refused')

function read(text: string): unknown {
  return decodeJson(Buffer.from(text))
}

function outcome(payload: string | Buffer, decode: () => unknown = () => decodeJson(Buffer.from(payload as string))): unknown {
  try {
    return decode()
  } catch (error) {
    expect(error).to.be.instanceOf(CodecError)
    return REFUSED
  }
}

/** A tree as the parser of the language gives it: it has no bigints. */
function inDoubles(value: unknown): unknown {
  if (typeof value === 'bigint') return Number(value)
  if (Array.isArray(value)) return value.map(inDoubles)
  if (typeof value !== 'object' || value === null) return value
  return Object.fromEntries(Object.entries(value).map(([name, member]) => [name, inDoubles(member)]))
}
