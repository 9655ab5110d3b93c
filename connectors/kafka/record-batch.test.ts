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
const producer = { producerId: 77n, producerEpoch: 3, firstSequence: 12 }

describe('record batches', () => {
  it('come back as they were written', async () => {
    await fc.assert(
      fc.asyncProperty(records, async (written) => {
        const read = await decodeRecordBatches(encodeRecordBatch(written, producer))
        expect(read.map(({ key, value, timestampMs, offset }) => ({ key, value, timestamp: timestampMs, offset }))).to.deep.equal(
          written.map((record, index) => ({ ...record, offset: BigInt(index) })),
        )
      }),
    )
  })

  it('are read by the decoder of kafkajs', async () => {
    const Decoder = require('kafkajs/src/protocol/decoder') as new (bytes: Buffer) => object
    const decode = require('kafkajs/src/protocol/recordBatch/v0/decoder') as (
      decoder: object,
    ) => Promise<{ records: { key: Buffer | null; value: Buffer | null; timestamp: string; offset: string }[] }>
    await fc.assert(
      fc.asyncProperty(records, async (written) => {
        const { records: read } = await decode(new Decoder(encodeRecordBatch(written, producer)))
        expect(read.map(({ key, value, timestamp, offset }) => ({ key, value, timestamp: Number(timestamp), offset }))).to.deep.equal(
          written.map((record, index) => ({ ...record, offset: String(index) })),
        )
      }),
    )
  })

  it('leaves a batch that the response cut off for the next fetch', async () => {
    const batch = encodeRecordBatch([{ key: null, value: Buffer.from('x'), timestamp: 1 }], producer)
    for (let length = 0; length < batch.length; length++) {
      expect(await decodeRecordBatches(Buffer.concat([batch, batch.subarray(0, length)]))).to.have.length(1)
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
