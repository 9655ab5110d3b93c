import { expect } from 'chai'
import fc from 'fast-check'
import { CodecError, type RepeatedMember } from './codec.ts'
import { decodeLineProtocol } from './line-protocol.ts'

describe('the codec for line protocol', () => {
  it('reads measurement, tags, fields and timestamp of each line', () => {
    expect(
      read('weather,location=us-midwest,season=summer temperature=82,humidity=71.5 1465839830100400200\nweather temperature=-1.5e1\n'),
    ).to.deep.equal([
      {
        measurement: 'weather',
        tags: { location: 'us-midwest', season: 'summer' },
        fields: { temperature: 82, humidity: 71.5 },
        timestamp: 1465839830100400200n,
      },
      { measurement: 'weather', tags: {}, fields: { temperature: -15 } },
    ])
  })

  it('reads every kind of field', () => {
    expect(fields('i=1i,n=-9223372036854775808i,u=18446744073709551615u,f=1.,g=.5,h=+1e3,t=t,T=TRUE,x=False,s="a b,c=d"')).to.deep.equal({
      i: 1,
      n: -9223372036854775808n,
      u: 18446744073709551615n,
      f: 1,
      g: 0.5,
      h: 1000,
      t: true,
      T: true,
      x: false,
      s: 'a b,c=d',
    })
  })

  it('takes a backslash as one unless something follows that it can escape', () => {
    expect(read('my\\,meas\\ ure\\x,tag\\=key=tag\\ value\\,1 field\\ key="say \\"hi\\" \\\\ \\n"')).to.deep.equal([
      { measurement: 'my,meas ure\\x', tags: { 'tag=key': 'tag value,1' }, fields: { 'field key': 'say "hi" \\ \\n' } },
    ])
    expect(read('a\\=b=c v=1')).to.deep.equal([{ measurement: 'a=b=c', tags: {}, fields: { v: 1 } }])
  })

  it('passes over comments, empty lines and blanks, and takes texts with line breaks', () => {
    expect(read('# a comment\n\n  m v=1 5 \r\n\t\nm s="two\nlines",w=2\n#end')).to.deep.equal([
      { measurement: 'm', tags: {}, fields: { v: 1 }, timestamp: 5 },
      { measurement: 'm', tags: {}, fields: { s: 'two\nlines', w: 2 } },
    ])
    expect(read('')).to.deep.equal([])
  })

  it('leaves a value that is none as its text, for who uses it to refuse', () => {
    expect(fields('a=nan,b=1x,c=1u2,d=-1u,e=9223372036854775808i,f=tRUE,g=0x10,h=1e,i=Infinity')).to.deep.equal({
      a: 'nan',
      b: '1x',
      c: '1u2',
      d: '-1u',
      e: '9223372036854775808i',
      f: 'tRUE',
      g: '0x10',
      h: '1e',
      i: 'Infinity',
    })
    expect(read('m v=1 12:30')).to.deep.equal([{ measurement: 'm', tags: {}, fields: { v: 1 }, timestamp: '12:30' }])
  })

  it('keeps both values of a field that is there twice, and takes __proto__ as a name', () => {
    const found = fields('v=1,v=2,__proto__=3')
    expect((found.v as RepeatedMember).values).to.deep.equal([1, 2])
    expect(Object.keys(found)).to.deep.equal(['v', '__proto__'])
    expect(Object.getPrototypeOf(found)).to.equal(Object.prototype)
  })

  for (const [what, text, detail] of [
    ['a line without fields', 'm v=1\nm,t=a\n', 'expected line protocol: a blank before the fields in line 2 at position 11 of 12'],
    [
      'a line that ends after a blank',
      'm ',
      'expected line protocol: a field, its key and "=" in line 1 at position 2 of 2, got the end of the message',
    ],
    ['a field without a value', 'm v=,w=1', 'expected line protocol: the value of a field in line 1 at position 4 of 8, got ",w=1"'],
    ['a tag without a value', 'm,t= v=1', 'expected line protocol: the value of a tag in line 1 at position 4'],
    ['a tag without "="', 'm,t v=1', 'expected line protocol: a tag, its key and "=" in line 1 at position 3'],
    ['no measurement', ',t=a v=1', 'expected line protocol: a measurement in line 1 at position 0'],
    ['a text without an end', 'm\\ v="x\n', 'expected line protocol'],
    ['an open text', 'm v="x\ny', 'expected line protocol: the closing quotation mark of a text in line 2 at position 8 of 8'],
    ['something after a text', 'm v="x"y', 'expected line protocol: the end of the line in line 1 at position 7 of 8, got "y"'],
    ['something after the timestamp', 'm v=1 5 6', 'expected line protocol: the end of the line in line 1 at position 8 of 9, got "6"'],
    ['JSON', '{"t":1}', 'expected line protocol: a blank before the fields in line 1 at position 7 of 7'],
    ['escapes of a terminal', 'm v="\u001b[31m" 1 \u001b[0m', 'got "\\u001b[0m"'],
  ] as const)
    it(`refuses ${what}, and says where`, () => {
      expect(() => read(text)).to.throw(CodecError, detail)
    })

  it('refuses what is not UTF-8, and more than 10,000 lines', () => {
    expect(() => decodeLineProtocol(Buffer.from('m v="\u00e4"', 'latin1'))).to.throw(
      CodecError,
      'expected UTF-8, got byte e4 at position 5',
    )
    expect(() => read('m v=1\n'.repeat(10_001))).to.throw(CodecError, 'at most 10000 lines, got more')
    expect((read('m v=1\n'.repeat(10_000)) as unknown[]).length).to.equal(10_000)
  })

  it('takes bounded time for any 900 kB', () => {
    const start = performance.now()
    for (const text of ['\\,', 'a', ',', '\n', '#', '#\n', ' ', '\\', '\r', 'm,']) outcome(text.repeat(900_000 / text.length))
    for (const [before, text] of [
      ['m v="', '\\"'],
      ['m ', 'v=1,'],
      ['m v=', '9'],
      ['m,', 'a=b,'],
      ['m v=', '1e'],
    ] as const)
      outcome(before + text.repeat(890_000 / text.length))
    expect(performance.now() - start).to.be.lessThan(5_000)
  })

  it('reads back what is written by its rules', () => {
    const name = fc.string({ minLength: 1, unit: fc.constantFrom('a', 'B', '1', ',', '=', ' ', '"', 'é', '.') })
    const value = fc.oneof(
      fc.double({ noNaN: true, noDefaultInfinity: true }).map((number) => number + 0),
      fc.boolean(),
      fc.string({ unit: fc.constantFrom('a', '"', '\\', ' ', ',', '\n') }),
    )
    const line = fc.record({
      measurement: name,
      tags: fc.dictionary(name, name, { maxKeys: 3, noNullPrototype: true }),
      fields: fc.dictionary(name, value, { minKeys: 1, maxKeys: 4, noNullPrototype: true }),
      timestamp: fc.integer(),
    })
    fc.assert(
      fc.property(fc.array(line, { maxLength: 4 }), (lines) => {
        expect(read(lines.map(written).join('\n'))).to.deep.equal(lines)
      }),
      { numRuns: 300 },
    )
  })

  it('throws nothing but CodecError for any text', () => {
    const piece = fc.constantFrom('m', ',', '=', ' ', '\\', '"', '\n', '\r', '#', '1', 'i', 't', 'v=1', 'é', '\0', '9'.repeat(30))
    fc.assert(
      fc.property(
        fc.oneof(
          fc.array(piece, { maxLength: 30 }).map((pieces) => pieces.join('')),
          fc.string(),
        ),
        outcome,
      ),
      { numRuns: 5_000 },
    )
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 30 }), (bytes) => outcome(Buffer.from(bytes))),
      { numRuns: 1_000 },
    )
  })
})

function read(text: string): unknown {
  return decodeLineProtocol(Buffer.from(text))
}

function fields(text: string): Record<string, unknown> {
  const [line] = read(`m ${text}`) as { fields: Record<string, unknown> }[]
  return line?.fields ?? {}
}

interface Written {
  readonly measurement: string
  readonly tags: Readonly<Record<string, string>>
  readonly fields: Readonly<Record<string, unknown>>
  readonly timestamp: number
}

function written({ measurement, tags, fields, timestamp }: Written): string {
  const escaped = (text: string): string => text.replace(/[,= ]/g, '\\$&')
  const value = (field: unknown): string => (typeof field === 'string' ? `"${field.replace(/["\\]/g, '\\$&')}"` : String(field))
  const tagged = Object.entries(tags).map(([key, tag]) => `,${escaped(key)}=${escaped(tag)}`)
  const fielded = Object.entries(fields).map(([key, field]) => `${escaped(key)}=${value(field)}`)
  return `${escaped(measurement)}${tagged.join('')} ${fielded.join(',')} ${timestamp}`
}

function outcome(payload: string | Buffer): void {
  try {
    decodeLineProtocol(Buffer.from(payload as string))
  } catch (error) {
    expect(error).to.be.instanceOf(CodecError)
  }
}
