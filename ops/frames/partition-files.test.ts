import { expect } from 'chai'
import type { KafkaRecord } from '../../processors/contract.ts'
import { DAY_MS } from '../../processors/store/time-ranges.ts'
import type { LogPart } from '../replay/partition-log.ts'
import { PartitionFiles } from './partition-files.ts'

const at = (offset: number, day: number, bytes = 1): KafkaRecord => ({
  offset: BigInt(offset),
  timestampMs: day * DAY_MS + offset,
  key: null,
  value: Buffer.alloc(bytes),
})
const part = (records: readonly KafkaRecord[], next: number, missing = 0): LogPart => ({
  records,
  next: BigInt(next),
  missing: BigInt(missing),
})

async function cuts(from: number, parts: readonly LogPart[], mostBytes?: number): Promise<{ files: string[]; lost: string[] }> {
  const found: string[] = []
  const files = new PartitionFiles(
    (async function* () {
      yield* parts
    })(),
    BigInt(from),
    mostBytes,
  )
  while (await files.more()) {
    const offsets: bigint[] = []
    for await (const some of files.records()) offsets.push(...some.map(({ offset }) => offset))
    const { from: first, next, day, records, unreadable } = files.taken
    found.push(`${day} ${first}-${next}: ${offsets.join(' ')}${unreadable > 0 ? ` and ${unreadable} unreadable` : ''} (${records})`)
  }
  return { files: found, lost: files.lost.map(({ from: first, next }) => `${first}-${next}`) }
}

describe('the files of a partition', () => {
  it('end where a record of a later day comes; one of an earlier day stays where it is', async () => {
    const read = [part([at(0, 1), at(1, 1)], 2), part([at(2, 1), at(3, 2), at(4, 1)], 5), part([at(5, 3)], 6)]
    expect(await cuts(0, read)).to.deep.equal({
      files: ['1970-01-02 0-3: 0 1 2 (3)', '1970-01-03 3-5: 3 4 (2)', '1970-01-04 5-6: 5 (1)'],
      lost: [],
    })
  })

  it('have all offsets, also those of control records, and none that Kafka has lost', async () => {
    const read = [part([at(12, 1)], 13, 2), part([], 15), part([at(15, 1)], 16), part([at(20, 1)], 21, 4), part([], 25, 4)]
    expect(await cuts(10, read)).to.deep.equal({
      files: ['1970-01-02 12-16: 12 15 (2)', '1970-01-02 20-21: 20 (1)'],
      lost: ['10-12', '16-20', '21-25'],
    })
  })

  it('do not become too large, and count what cannot be read', async () => {
    const bad = { ...at(2, 1), value: null, unreadable: 'offsets 2 to 2: compressed' }
    expect(await cuts(0, [part([at(0, 1, 10), at(1, 1, 10), bad, at(3, 1, 10)], 4)], 15)).to.deep.equal({
      files: ['1970-01-02 0-2: 0 1 (2)', '1970-01-02 2-4: 3 and 1 unreadable (1)'],
      lost: [],
    })
  })

  it('are none if there is nothing', async () => {
    expect(await cuts(3, [])).to.deep.equal({ files: [], lost: [] })
    expect(await cuts(3, [part([], 9, 6)])).to.deep.equal({ files: [], lost: ['3-9'] })
  })
})
