import { expect } from 'chai'
import type { KafkaRecord } from './contract.ts'
import { deadLetterHeaders } from './dead-letter.ts'

describe('a dead letter', () => {
  const record: KafkaRecord = { key: null, value: null, timestampMs: 0, offset: 0n }

  it('keeps the headers of its record', () => {
    const headers = [{ name: 'fp', value: Buffer.alloc(8) }]
    expect(deadLetterHeaders({ ...record, headers })).to.equal(headers)
    expect(deadLetterHeaders(record)).to.equal(undefined)
  })

  it('does without headers that would make it too large for Kafka', () => {
    expect(deadLetterHeaders({ ...record, headers: [{ name: 'x', value: Buffer.alloc(2_000) }] })).to.equal(undefined)
    expect(deadLetterHeaders({ ...record, headers: [{ name: 'x'.repeat(2_000), value: null }] })).to.equal(undefined)
  })
})
