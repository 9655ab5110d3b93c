import { gzipSync } from 'node:zlib'
import { expect } from 'chai'
import fc from 'fast-check'
import { GZIP, LZ4, recordBatch, SNAPPY, withBody, ZSTD } from '../../test/pipeline/raw-batches.ts'
import { ConnectorError } from '../contract.ts'
import { decodeRecordBatches } from './fetched-records.ts'

const record = (value: string): { key: Buffer; value: Buffer; timestamp: number } => ({
  key: Buffer.from('hive'),
  value: Buffer.from(value),
  timestamp: 5,
})
/** A batch as Kafka stores it: from an offset on. */
function at(offset: bigint, batch: Buffer): Buffer {
  const stored = Buffer.from(batch)
  stored.writeBigInt64BE(offset, 0)
  return stored
}
const good = recordBatch([record('a'), record('b')])
const three = recordBatch([record('x'), record('y'), record('z')])

describe('a fetch of batches', () => {
  const values = async (bytes: Buffer): Promise<readonly string[]> =>
    (await decodeRecordBatches(bytes)).records.map(({ value, offset, unreadable }) => `${offset} ${unreadable ?? String(value)}`)

  it('reads what is compressed with gzip', async () => {
    expect(await values(at(7n, recordBatch([record('a'), record('b')], true)))).to.deep.equal(['7 a', '8 b'])
  })

  const bomb = gzipSync(Buffer.alloc(64 << 20))
  for (const [what, batch, why] of [
    ['a gzip bomb', withBody(three, GZIP, bomb), /become more than 16777216/],
    ['broken gzip', withBody(three, GZIP, Buffer.from('no gzip')), /its gzip is broken/],
    ['snappy', withBody(three, SNAPPY, Buffer.from('x')), /its compression is snappy, expected none or gzip/],
    ['lz4', withBody(three, LZ4, Buffer.from('x')), /its compression is lz4/],
    ['zstd', withBody(three, ZSTD, Buffer.from('x')), /its compression is zstd/],
    ['a compression that does not exist', withBody(three, 7, Buffer.from('x')), /its compression is of type 7/],
    ['records that are none', withBody(three, 0, Buffer.from('junk, and more of it')), /cannot be read/],
    ['records that end too soon', withBody(three, 0, three.subarray(61, 70)), /cannot be read/],
    ['an old format', Buffer.from(three).fill(1, 16, 17), /its format is older than Kafka 0.11: magic 1/],
  ] as const) {
    it(`gets past ${what}: one record says which offsets cannot be read, and why`, async () => {
      const [first, second, unreadable, last] = await values(Buffer.concat([at(3n, good), at(5n, batch), at(8n, good)]))
      expect([first, second]).to.deep.equal(['3 a', '4 b'])
      expect(unreadable).to.match(why)
      if (what !== 'an old format') expect(unreadable).to.match(/^7 the batch of offsets 5 to 7 /)
      expect(last).to.equal('8 a')
    })
  }

  it('keeps the records before the place where a batch is broken', async () => {
    const broken = withBody(three, 0, Buffer.concat([good.subarray(61), Buffer.from([0x7e, 0, 0])]))
    const [a, b, rest] = await values(at(0n, broken))
    expect([a, b]).to.deep.equal(['0 a', '1 b'])
    expect(rest).to.match(/^2 the batch of offsets 0 to 2 .* a record of 63 bytes does not fit into it/)
  })

  it('leaves for the next fetch what would take too much memory', async () => {
    const large = withBody(recordBatch([{ key: null, value: Buffer.alloc(9 << 20), timestamp: 1 }], true), GZIP, gzipSync(body(9 << 20)))
    const { records, nextOffset } = await decodeRecordBatches(Buffer.concat([0n, 1n, 2n, 3n].map((offset) => at(offset, large))))
    expect(records.map(({ value }) => value?.length)).to.deep.equal([9 << 20, 9 << 20])
    expect(nextOffset).to.equal(2n)
  })

  it('reads a batch with a wrong CRC again, for it may have been damaged on its way; then gets past it', async () => {
    const damaged = Buffer.from(at(900n, good))
    damaged[damaged.length - 1] = (damaged[damaged.length - 1] ?? 0) ^ 1
    for (let attempt = 1; attempt < 3; attempt++) {
      const failure = await decodeRecordBatches(damaged).catch((cause: unknown) => cause)
      expect(failure).to.be.instanceOf(ConnectorError).and.include({ code: 'KAFKA_CORRUPT_BATCH', transient: true })
    }
    expect(await values(damaged)).to.deep.equal([
      '901 the batch of offsets 900 to 901 (85 bytes) cannot be read: its CRC does not match, 3 times',
    ])
  })

  it('never fails by bytes that have the right CRC, whatever they are', async () => {
    await fc.assert(
      fc.asyncProperty(fc.uint8Array({ maxLength: 200 }), fc.nat(7), async (bytes, attributes) => {
        const { records, nextOffset } = await decodeRecordBatches(withBody(three, attributes, Buffer.from(bytes)))
        expect(nextOffset).to.equal(3n)
        for (const { headers } of records) expect(headers ?? []).to.be.an('array')
      }),
    )
  })
})

/** One record with so many zeros, as a batch has it. */
function body(size: number): Buffer {
  return recordBatch([{ key: null, value: Buffer.alloc(size), timestamp: 1 }]).subarray(61)
}
