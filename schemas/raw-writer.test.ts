import avro from 'avsc'
import { expect } from 'chai'
import fc from 'fast-check'
import { readSchema } from './files.ts'
import { RawWriter } from './raw-writer.ts'

describe('raw records', () => {
  const type = avro.Type.forSchema(readSchema('raw').json as avro.Schema)

  it('are what avsc reads, whatever topic and payload are', () => {
    const writer = new RawWriter(258)
    fc.assert(
      fc.property(
        fc.string({ unit: 'grapheme', minLength: 1, maxLength: 200 }),
        fc.uint8Array({ maxLength: 300 }),
        fc.integer({ min: 0, max: 2 ** 51 }),
        fc.boolean(),
        (topic, payload, received, retained) => {
          const bytes = writer.write(topic, Buffer.from(payload), received, retained)
          expect([...bytes.subarray(0, 5)]).to.deep.equal([0, 0, 0, 1, 2])
          expect({ ...(type.fromBuffer(bytes.subarray(5)) as object) }).to.deep.equal({
            topic: Buffer.from(topic).toString(),
            payload: Buffer.from(payload),
            received,
            retained,
          })
        },
      ),
      { numRuns: 500 },
    )
  })
})
