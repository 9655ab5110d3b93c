import { expect } from 'chai'
import fc from 'fast-check'
import { createResponseReader } from './response-reader.ts'

/** What a socket would read, in one buffer that is written over each time. */
function readInParts(stream: Buffer, cuts: readonly number[]): readonly Buffer[] {
  const responses: Buffer[] = []
  const read = createResponseReader((response) => responses.push(response))
  const bounds = [0, ...[...cuts].map((cut) => cut % (stream.length + 1)).sort((a, b) => a - b), stream.length]
  const buffer = Buffer.alloc(stream.length + 1)
  for (let index = 1; index < bounds.length; index++) {
    const part = stream.subarray(bounds[index - 1], bounds[index])
    buffer.fill(0xee)
    part.copy(buffer)
    read(buffer, part.length)
  }
  return responses
}

function framed(payload: Uint8Array): Buffer {
  const response = Buffer.alloc(4 + payload.length)
  response.writeInt32BE(payload.length)
  response.set(payload, 4)
  return response
}

describe('the reader of Kafka responses', () => {
  it('gives each response whole and by itself, wherever the network cuts them', () => {
    fc.assert(
      fc.property(fc.array(fc.uint8Array({ maxLength: 40 }), { maxLength: 8 }), fc.array(fc.nat(), { maxLength: 12 }), (payloads, cuts) => {
        const expected = payloads.map(framed)
        expect(readInParts(Buffer.concat(expected), cuts)).to.deep.equal(expected)
      }),
    )
  })

  it('keeps what has not come whole', () => {
    const responses: Buffer[] = []
    const read = createResponseReader((response) => responses.push(response))
    read(Buffer.from([0, 0, 0]), 3)
    read(Buffer.from([2, 7]), 2)
    expect(responses).to.deep.equal([])
    read(Buffer.from([8, 0]), 2)
    expect(responses).to.deep.equal([Buffer.from([0, 0, 0, 2, 7, 8])])
  })

  it('refuses a length that Kafka never sends', () => {
    const read = createResponseReader(() => undefined)
    expect(() => read(Buffer.from('HTTP/1.1 400').fill(0xff, 0, 4), 12)).to.throw(RangeError, 'not -1')
  })
})
