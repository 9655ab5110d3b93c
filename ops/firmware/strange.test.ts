import { expect } from 'chai'
import type { Topic } from '../../processors/contract.ts'
import type { DeadLetter } from '../../processors/dead-letter.ts'
import type { FoundDeadLetter } from '../../processors/found-dead-letters.ts'
import { wireHeader } from '../../schemas/wire-format.ts'
import type { DeadLetters } from '../dead-letters/reader.ts'
import { strangers } from './strange.ts'

const FINGERPRINT = '0123456789abcdef'
const deadLetter: DeadLetter = {
  source_topic: 'devices/a/telemetry',
  source_partition: -1,
  source_offset: -1,
  source_timestamp: 1_000,
  samples: [],
  quantities: [],
  key: Buffer.from('a'),
  value: Buffer.from(`c301${FINGERPRINT}00`, 'hex'),
  records: [],
  reason: 'unknown-fingerprint',
  detail: 'the registry has no schema',
  processor: 'bridge',
  processor_version: '1',
  attempt: 1,
  first_failed: 1_000,
  last_failed: 2_000,
}

/** What a reader of dead letters would find; offsets in the order of the list. */
function source(
  found: Readonly<Record<string, readonly (Partial<DeadLetter> & Pick<FoundDeadLetter, 'headers'>)[]>>,
  settled: readonly bigint[] = [],
): DeadLetters {
  return {
    topics: async () => Object.keys(found) as Topic[],
    extents: async () => [],
    settled: async () => new Map([[0, new Map(settled.map((offset) => [offset, 'succeeded' as const]))]]),
    read: async (topic, each) => {
      for (const [offset, { headers, ...fields }] of (found[topic] ?? []).entries())
        await each({ topic, partition: 0, offset: BigInt(offset), deadLetter: { ...deadLetter, ...fields }, headers })
      await each(null)
    },
  }
}

describe('what devices sent and nobody knew', () => {
  it('is counted by device and kind, without what was redriven and what had other reasons', async () => {
    const letters = [
      {},
      { source_timestamp: 5_000 },
      { reason: 'over-size' },
      { key: Buffer.from('b') },
      { key: null, reason: 'no-route', source_topic: 'foo/bar' },
      {},
    ]
    const { strange, others } = await strangers(source({ 'bridge.dead': letters as never, 'store.dead': [{}] as never }, [5n]), null)
    expect(others).to.equal(0)
    expect(
      strange.map(({ device, reason, fingerprint, what, messages, lastMs }) => [device, reason, fingerprint, what, messages, lastMs]),
    ).to.deep.equal([
      ['a', 'unknown-fingerprint', FINGERPRINT, FINGERPRINT, 2, 5_000],
      ['b', 'unknown-fingerprint', FINGERPRINT, FINGERPRINT, 1, 1_000],
      [null, 'no-route', null, 'foo/bar', 1, 1_000],
    ])
    expect((await strangers(source({ 'bridge.dead': letters as never }), 'b')).strange).to.have.length(1)
  })

  it('has its fingerprint in a header behind the bridge, its topic in the detail behind translate', async () => {
    const standardise = [
      { reason: 'unknown-schema', value: wireHeader(7), headers: [{ name: 'fp', value: Buffer.from(FINGERPRINT, 'hex') }] },
      { reason: 'unknown-schema', value: wireHeader(7), headers: undefined },
    ]
    const translate = [{ reason: 'unknown-topic', detail: 'no dialect takes "x/y"; once one does: millrace redrive', headers: undefined }]
    const { strange } = await strangers(source({ 'standardise.dead': standardise, 'translate.dead': translate }), null)
    expect(strange.map(({ what }) => what)).to.deep.equal([FINGERPRINT, 'schema 7', '"x/y"'])
  })

  it('is bounded, and what is beyond is counted', async () => {
    const letters = Array.from({ length: 50 }, (_, index) => ({ key: Buffer.from(`d${index}`), headers: undefined }))
    const { strange, others } = await strangers(source({ 'bridge.dead': letters }), null, 10)
    expect([strange.length, others]).to.deep.equal([10, 40])
  })
})
