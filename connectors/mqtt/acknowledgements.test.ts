import { expect } from 'chai'
import fc from 'fast-check'
import { createAcknowledgements } from './acknowledgements.ts'

describe('acknowledgements', () => {
  it('encodes a PUBACK as packet type 4, length 2 and the identifier', () => {
    const acknowledgements = createAcknowledgements()
    acknowledgements.add([1, 0xabcd]).resolved = true
    expect(acknowledgements.take()).to.deep.equal(Buffer.from([0x40, 2, 0, 1, 0x40, 2, 0xab, 0xcd]))
  })

  it('holds a resolved batch back until those before it are resolved', () => {
    const acknowledgements = createAcknowledgements()
    const first = acknowledgements.add([1])
    acknowledgements.add([2]).resolved = true
    expect(acknowledgements.take()).to.equal(undefined)
    expect(acknowledgements.waiting).to.equal(2)
    first.resolved = true
    expect(acknowledgements.take()?.length).to.equal(8)
    expect(acknowledgements.waiting).to.equal(0)
  })

  it('sends every identifier once and in the order received, in whatever order batches resolve', () => {
    fc.assert(
      fc.property(fc.array(fc.nat(3), { maxLength: 30 }), fc.infiniteStream(fc.nat()), (sizes, choices) => {
        const acknowledgements = createAcknowledgements()
        let next = 1
        const open = sizes.map((size) => acknowledgements.add(Array.from({ length: size }, () => next++)))
        const sent: number[] = []
        while (open.length > 0) {
          const [ticket] = open.splice((choices.next().value ?? 0) % open.length, 1)
          if (ticket) ticket.resolved = true
          const bytes = acknowledgements.take() ?? Buffer.alloc(0)
          for (let at = 0; at < bytes.length; at += 4) sent.push(bytes.readUInt16BE(at + 2))
        }
        expect(sent).to.deep.equal(Array.from({ length: next - 1 }, (_, index) => index + 1))
        expect(acknowledgements.waiting).to.equal(0)
      }),
    )
  })
})
