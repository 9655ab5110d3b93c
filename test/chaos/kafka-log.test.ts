import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect } from 'chai'
import { encodeRecordBatch } from '../../connectors/kafka/record-batch.ts'
import { cutLog, logEnd, readBatches } from './kafka-log.ts'

const producer = { producerId: 1n, producerEpoch: 0, firstSequence: 0 }

/**
 * As a broker writes it: with the offset of its first record and the epoch of the leader that took
 * it.
 */
function batch(baseOffset: bigint, records: number, leaderEpoch: number): Buffer {
  const bytes = encodeRecordBatch(
    Array.from({ length: records }, (_, index) => ({ key: null, value: Buffer.from(`record ${index}`), timestamp: 1_000 + index })),
    producer,
  )
  bytes.writeBigInt64BE(baseOffset, 0)
  bytes.writeInt32BE(leaderEpoch, 12)
  return bytes
}

describe("the cutter of Kafka's logs", () => {
  let directory: string
  const batches = [batch(10n, 3, 0), batch(13n, 1, 0), batch(14n, 6, 2), batch(20n, 2, 3)]

  beforeEach(() => {
    directory = mkdtempSync(join(tmpdir(), 'millrace-cut-'))
    writeFileSync(join(directory, '00000000000000000010.log'), Buffer.concat(batches))
    for (const name of [
      '00000000000000000010.index',
      '00000000000000000010.timeindex',
      '00000000000000000022.snapshot',
      '00000000000000000013.snapshot',
    ])
      writeFileSync(join(directory, name), '')
    writeFileSync(join(directory, 'leader-epoch-checkpoint'), '0\n3\n0 10\n2 14\n3 20\n')
  })

  afterEach(() => rmSync(directory, { recursive: true }))

  it('reads where batches begin and end, and of which leader they are', () => {
    expect(
      readBatches(Buffer.concat(batches)).map(({ baseOffset, nextOffset, leaderEpoch }) => [baseOffset, nextOffset, leaderEpoch]),
    ).to.deep.equal([
      [10n, 13n, 0],
      [13n, 14n, 0],
      [14n, 20n, 2],
      [20n, 22n, 3],
    ])
    expect(readBatches(Buffer.concat(batches).subarray(0, -1))).to.have.length(3)
    expect(logEnd(directory)).to.equal(22n)
  })

  it('cuts from the batch of an offset on, in the middle of that batch, with all that is known of what was cut', () => {
    expect(cutLog(directory, 21n)).to.deep.equal({ from: 20n, to: 22n })
    expect(logEnd(directory)).to.equal(20n)
    expect(cutLog(directory, 15n)).to.deep.equal({ from: 14n, to: 20n })
    expect(statSync(join(directory, '00000000000000000010.log')).size).to.equal((batches[0]?.length ?? 0) + (batches[1]?.length ?? 0) + 20)
    expect(readdirSync(directory).sort()).to.deep.equal([
      '00000000000000000010.log',
      '00000000000000000013.snapshot',
      'leader-epoch-checkpoint',
    ])
    expect(readFileSync(join(directory, 'leader-epoch-checkpoint'), 'utf8')).to.equal('0\n1\n0 10\n')
  })

  it('leaves one batch, and says if there is nothing to cut', () => {
    expect(cutLog(directory, 22n)).to.equal(undefined)
    expect(cutLog(directory, 0n)).to.deep.equal({ from: 13n, to: 22n })
    expect(cutLog(directory, 0n)).to.equal(undefined)
  })
})
