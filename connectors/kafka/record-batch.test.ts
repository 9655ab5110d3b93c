import { createRequire } from 'node:module'
import { expect } from 'chai'
import fc from 'fast-check'
import { ConnectorError } from '../contract.ts'
import { crc32c } from './crc32c.ts'
import { decodeRecordBatches } from './fetched-records.ts'
import { murmur2 } from './partition.ts'
import { encodeRecordBatch } from './record-batch.ts'

const require = createRequire(import.meta.url)

const bytes = fc.uint8Array({ maxLength: 200 }).map((array) => Buffer.from(array))
const records = fc.array(fc.record({ key: fc.option(bytes), value: fc.option(bytes), timestamp: fc.integer({ min: 0, max: 4e12 }) }), {
  minLength: 1,
  maxLength: 50,
})
const header = fc.record({ name: fc.string({ maxLength: 20 }), value: fc.option(bytes) })
const withHeaders = fc.array(fc.array(header, { minLength: 1, maxLength: 4 }), { minLength: 1, maxLength: 20 })
const producer = { producerId: 77n, producerEpoch: 3, firstSequence: 12 }

describe('record batches', () => {
  it('come back as they were written', async () => {
    await fc.assert(
      fc.asyncProperty(records, async (written) => {
        const { records: read } = await decodeRecordBatches(encodeRecordBatch(written, producer))
        expect(read.map(({ key, value, timestampMs, offset }) => ({ key, value, timestamp: timestampMs, offset }))).to.deep.equal(
          written.map((record, index) => ({ ...record, offset: BigInt(index) })),
        )
      }),
    )
  })

  it('carry headers, decoded when somebody looks', async () => {
    await fc.assert(
      fc.asyncProperty(withHeaders, fc.array(fc.nat()), async (kinds, order) => {
        const written = order.map((index) => ({
          key: null,
          value: Buffer.from('x'),
          timestamp: index,
          headers: index % 3 === 0 ? undefined : kinds[index % kinds.length],
        }))
        if (written.length === 0) return
        const { records: read } = await decodeRecordBatches(encodeRecordBatch(written, producer))
        expect(read.map(({ headers }) => headers)).to.deep.equal(written.map(({ headers }) => headers))
        expect(read.map(({ value }) => value)).to.deep.equal(written.map(({ value }) => value))
      }),
    )
  })

  it('with the same headers one after another give the same object: nothing is made for a record', async () => {
    const [one, two] = [[{ name: 'fp', value: Buffer.from('12345678') }], [{ name: 'fp', value: Buffer.from('12345679') }]]
    const written = [one, one, two, two, one].map((headers) => ({ key: null, value: null, timestamp: 1, headers }))
    const read = (await decodeRecordBatches(encodeRecordBatch(written, producer))).records.map(({ headers }) => headers)
    expect(read).to.deep.equal([one, one, two, two, one])
    expect([read[0] === read[1], read[1] === read[2], read[2] === read[3]]).to.deep.equal([true, false, true])
  })

  it('are read by the decoder of kafkajs', async () => {
    const Decoder = require('kafkajs/src/protocol/decoder') as new (bytes: Buffer) => object
    const decode = require('kafkajs/src/protocol/recordBatch/v0/decoder') as (
      decoder: object,
    ) => Promise<{ records: { key: Buffer | null; value: Buffer | null; timestamp: string; offset: string; headers: object }[] }>
    await fc.assert(
      fc.asyncProperty(records, async (written) => {
        const { records: read } = await decode(new Decoder(encodeRecordBatch(written, producer)))
        expect(read.map(({ key, value, timestamp, offset }) => ({ key, value, timestamp: Number(timestamp), offset }))).to.deep.equal(
          written.map((record, index) => ({ ...record, offset: String(index) })),
        )
      }),
    )
    const headers = [{ name: 'fp', value: Buffer.from('12345678') }]
    const { records: read } = await decode(new Decoder(encodeRecordBatch([{ key: null, value: null, timestamp: 1, headers }], producer)))
    expect(read[0]?.headers).to.deep.equal({ fp: Buffer.from('12345678') })
  })

  it('leaves a batch that the response cut off for the next fetch', async () => {
    const batch = encodeRecordBatch([{ key: null, value: Buffer.from('x'), timestamp: 1 }], producer)
    for (let length = 0; length < batch.length; length++) {
      const { records: read, nextOffset } = await decodeRecordBatches(Buffer.concat([batch, batch.subarray(0, length)]))
      expect(read).to.have.length(1)
      expect(nextOffset).to.equal(1n)
    }
  })

  it('refuses a batch whose CRC does not match', async () => {
    const batch = Buffer.from(encodeRecordBatch([{ key: null, value: Buffer.from('x'), timestamp: 1 }], producer))
    batch[batch.length - 2] = (batch[batch.length - 2] ?? 0) ^ 1
    const failure = await decodeRecordBatches(batch).catch((cause: unknown) => cause)
    expect(failure).to.be.instanceOf(ConnectorError).and.include({ code: 'KAFKA_CORRUPT_BATCH' })
  })
})

describe('crc32c', () => {
  it('gives the check value of its definition (RFC 3720)', () => {
    expect(crc32c(Buffer.from('123456789'))).to.equal(0xe3069283)
    expect(crc32c(Buffer.alloc(32))).to.equal(0x8a9136aa)
  })

  it('does not depend on where the bytes lie', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 100 }), fc.nat(9), (data, shift) => {
        const moved = Buffer.concat([Buffer.alloc(shift, 1), data, Buffer.alloc(3, 2)])
        expect(crc32c(moved, shift, shift + data.length)).to.equal(crc32c(data))
      }),
    )
  })
})

describe('murmur2', () => {
  it('is what kafkajs, and so every Java client, computes', () => {
    const theirs = require('kafkajs/src/producer/partitioners/default/murmur2') as (key: Buffer) => number
    fc.assert(
      fc.property(bytes, (key) => {
        expect(murmur2(key)).to.equal(theirs(key))
      }),
    )
  })
})
