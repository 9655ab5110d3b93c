import { expect } from 'chai'
import type { DeadLetter } from '../../processors/dead-letter.ts'
import { compareDead, partOf, RefusedInputs } from './dead-letters.ts'

function deadLetter(own: Partial<DeadLetter> = {}): DeadLetter {
  return {
    source_topic: 'frames',
    source_partition: 2,
    source_offset: 7,
    source_timestamp: 5,
    samples: [],
    quantities: [],
    key: null,
    value: null,
    records: [],
    reason: 'bad',
    detail: '',
    processor: 'words',
    processor_version: '1',
    attempt: 1,
    first_failed: 10,
    last_failed: 10,
    ...own,
  }
}

const whole = partOf({ samples: [], quantities: [] })

describe('the dead letters of a shadow run', () => {
  it('are those of the input, without repeats; what a redrive settled is known, and not open', () => {
    const refused = new RefusedInputs()
    for (const each of [deadLetter(), deadLetter(), deadLetter({ reason: 'worse', samples: [1] })]) refused.add(each, false)
    refused.add(deadLetter({ source_offset: 8 }), true)
    expect(refused.of(2, 7n)).to.deep.equal({
      open: [
        { reason: 'bad', part: whole },
        { reason: 'worse', part: '1 ' },
      ],
      redriven: false,
    })
    expect(refused.of(2, 8n)).to.deep.equal({ open: [], redriven: true })
    expect(refused.of(1, 7n)).to.equal(undefined)
  })

  it('are found of records that are kept by their offset only', () => {
    const refused = new RefusedInputs()
    const record = (offset: number, partly: boolean) => ({ offset, timestamp: 5, head: Buffer.alloc(0), partly })
    refused.add(deadLetter({ records: [record(3, true), record(4, false)] }), false)
    expect(compareDead([{ reason: 'bad', part: '1,2 ' }], refused.of(2, 3n)?.open ?? [])).to.deep.equal({ added: [], gone: [] })
    expect(compareDead([{ reason: 'bad', part: '1,2 ' }], refused.of(2, 4n)?.open ?? [])).to.deep.equal({ added: ['bad'], gone: ['bad'] })
  })

  it('differ by reason, samples and quantities', () => {
    const [one, other] = [
      { reason: 'bad', part: '1 ' },
      { reason: 'bad', part: '2 ' },
    ]
    expect(compareDead([one], [one])).to.deep.equal({ added: [], gone: [] })
    expect(compareDead([one, other], [other])).to.deep.equal({ added: ['bad'], gone: [] })
    expect(compareDead([], [one])).to.deep.equal({ added: [], gone: ['bad'] })
  })
})
