import { expect } from 'chai'
import { crc32c } from './crc32c.ts'
import { type AbortedTransaction, FetchedBatch } from './fetched-batch.ts'
import { decodeRecordBatches } from './fetched-records.ts'
import { encodeRecordBatch } from './record-batch.ts'

const TRANSACTIONAL = 0x10
const CONTROL = 0x20

interface Options {
  readonly producerId?: number
  readonly attributes?: number
  readonly leaderEpoch?: number
}

/** A batch as Kafka stores it. */
function batch(
  base: number,
  values: readonly (string | Buffer)[],
  { producerId = 1, attributes = 0, leaderEpoch = 7 }: Options = {},
): Buffer {
  const control = (attributes & CONTROL) !== 0
  const records = values.map((value) => ({
    key: control ? Buffer.from(value) : null,
    value: control ? Buffer.alloc(6) : Buffer.from(value),
    timestamp: 1,
  }))
  const bytes = Buffer.from(encodeRecordBatch(records, { producerId: BigInt(producerId), producerEpoch: 0, firstSequence: 0 }))
  bytes.writeBigInt64BE(BigInt(base), 0)
  bytes.writeInt32BE(leaderEpoch, 12)
  bytes.writeInt16BE(attributes, 21)
  bytes.writeUInt32BE(crc32c(bytes, 21, bytes.length), 17)
  return bytes
}
const sent = (base: number, producerId: number, ...values: readonly string[]): Buffer =>
  batch(base, values, { producerId, attributes: TRANSACTIONAL })
const marker = (base: number, producerId: number, type: 'abort' | 'commit'): Buffer =>
  batch(base, [Buffer.from([0, 0, 0, type === 'abort' ? 0 : 1])], { producerId, attributes: TRANSACTIONAL | CONTROL })

async function fetched(from: number, batches: readonly Buffer[], aborted: readonly AbortedTransaction[] = []): Promise<FetchedBatch> {
  const messages = await decodeRecordBatches(Buffer.concat(batches))
  return new FetchedBatch('t', String(from), { partition: 0, highWatermark: '100', abortedTransactions: aborted, messages })
}
const values = ({ messages }: FetchedBatch): readonly string[] => messages.map(({ value }) => String(value))

describe('what a fetch brings', () => {
  it('begins at the offset that was asked for, though the batch began before', async () => {
    const found = await fetched(12, [batch(10, ['a', 'b', 'c', 'd'])])
    expect(values(found)).to.deep.equal(['c', 'd'])
    expect(found.nextOffset).to.equal(14n)
  })

  it('leaves aborted transactions and markers out, and goes past them', async () => {
    const found = await fetched(
      0,
      [
        sent(0, 5, 'no'),
        sent(1, 6, 'yes'),
        sent(2, 5, 'no'),
        marker(3, 5, 'abort'),
        sent(4, 5, 'yes'),
        marker(5, 6, 'commit'),
        marker(6, 5, 'commit'),
      ],
      [{ producerId: '5', firstOffset: '0' }],
    )
    expect(values(found)).to.deep.equal(['yes', 'yes'])
    expect(found.nextOffset).to.equal(7n)
  })

  it('knows two transactions that begin at once apart', async () => {
    const found = await fetched(
      0,
      [sent(0, 5, 'no'), sent(1, 6, 'no'), batch(2, ['yes']), marker(3, 6, 'abort'), marker(4, 5, 'abort')],
      [
        { producerId: '6', firstOffset: '1' },
        { producerId: '5', firstOffset: '0' },
      ],
    )
    expect(values(found)).to.deep.equal(['yes'])
  })

  it('takes no record for a marker because of its key', async () => {
    const found = await fetched(
      0,
      [sent(0, 5, 'no'), batch(1, [Buffer.alloc(4)], { producerId: 5 }), sent(2, 5, 'no'), marker(3, 5, 'abort')],
      [{ producerId: '5', firstOffset: '0' }],
    )
    expect(found.messages).to.have.length(1)
  })

  it('is something to go on with if it holds no record for anybody', async () => {
    const found = await fetched(0, [sent(0, 5, 'no'), marker(1, 5, 'abort')], [{ producerId: '5', firstOffset: '0' }])
    expect(values(found)).to.deep.equal([])
    expect(found.isEmpty()).to.equal(false)
    expect(found.isEmptyDueToFiltering()).to.equal(false)
    expect(found.lastOffset()).to.equal('1')
  })

  it('is nothing if the response held no whole batch', async () => {
    const found = await fetched(4, [batch(4, ['a']).subarray(0, 50)])
    expect(found.isEmpty()).to.equal(true)
    expect(found.nextOffset).to.equal(4n)
  })

  it('goes past batches of which compaction took all records', async () => {
    const bytes = batch(3, ['a'])
    const emptied = Buffer.from(bytes.subarray(0, 61))
    emptied.writeInt32BE(emptied.length - 12, 8)
    emptied.writeInt32BE(4, 23)
    emptied.writeInt32BE(0, 57)
    emptied.writeUInt32BE(crc32c(emptied, 21, emptied.length), 17)
    const found = await fetched(3, [emptied])
    expect(values(found)).to.deep.equal([])
    expect(found.nextOffset).to.equal(8n)
    expect(found.isEmpty()).to.equal(false)
  })

  it('says under which leaders its first and its last batch were written', async () => {
    const found = await fetched(0, [batch(0, ['a'], { leaderEpoch: 3 }), batch(1, ['b'], { leaderEpoch: 5 })])
    expect([found.firstLeaderEpoch, found.leaderEpoch]).to.deep.equal([3, 5])
  })
})
