import { expect } from 'chai'
import fc from 'fast-check'
import { avroType } from './avro-type.ts'
import { MalformedError } from './frame-reader.ts'
import { rawSchema } from './generated/raw.ts'
import { createRawReader } from './raw-reader.ts'

interface Field {
  readonly name: string
}

describe('RawReader', () => {
  const type = avroType(rawSchema.json)
  const own = createRawReader(rawSchema.json)
  const { fields } = rawSchema.json as { readonly fields: readonly Field[] }
  const some = { topic: 'devices/é/telemetry', payload: Buffer.from('{"a":1}'), received: 1_764_400_000_000_000, retained: true }

  it('reads what avsc writes, from any place of a buffer', () => {
    const raw = fc.record({
      topic: fc.string({ unit: 'grapheme', maxLength: 200 }),
      payload: fc.uint8Array({ maxLength: 300 }).map((bytes) => Buffer.from(bytes)),
      received: fc.integer({ min: -(2 ** 51), max: 2 ** 51 }),
      retained: fc.boolean(),
    })
    fc.assert(
      fc.property(raw, fc.nat({ max: 9 }), (value, before) => {
        const bytes = Buffer.concat([Buffer.alloc(before), type.toBuffer(value)])
        expect(own.read(bytes, before)).to.deep.equal({ ...value, topic: Buffer.from(value.topic).toString() })
      }),
    )
  })

  it('refuses a record that is cut off anywhere, or goes on, and says in which field', () => {
    const bytes = type.toBuffer(some)
    for (let length = 0; length < bytes.length; length++) expect(() => own.read(bytes.subarray(0, length), 0)).to.throw(MalformedError)
    expect(() => own.read(bytes.subarray(0, 12), 0)).to.throw('topic: expected at most 11 bytes, got 20')
    expect(() => own.read(Buffer.concat([bytes, Buffer.from([0])]), 0)).to.throw('1 bytes are left after the last field')
    expect(() => own.read(Buffer.concat([bytes.subarray(0, -1), Buffer.from([2])]), 0)).to.throw('retained: expected 0 or 1, got byte 2')
  })

  it('reads a writer without a field that has a default, and one with a field more, by resolution', () => {
    const older = { ...(rawSchema.json as object), fields: fields.filter(({ name }) => name !== 'retained') }
    const newer = { ...(rawSchema.json as object), fields: [{ name: 'qos', type: 'int' }, ...fields] }
    expect({ ...createRawReader(older).read(avroType(older).toBuffer(some), 0) }).to.deep.equal({ ...some, retained: false })
    const written = avroType(newer).toBuffer({ ...some, qos: 1 })
    expect({ ...createRawReader(newer).read(written, 0) }).to.deep.equal(some)
    expect(() => createRawReader(newer).read(written.subarray(0, 20), 0)).to.throw(MalformedError, 'not what its schema says')
  })

  it('refuses a writer that is something else', () => {
    expect(() =>
      createRawReader({ type: 'record', name: 'Raw', namespace: 'millrace', fields: [{ name: 'topic', type: 'int' }] }),
    ).to.throw()
  })
})
