import { expect } from 'chai'
import type { Rejection, Topic } from './contract.ts'
import type { DeadLetter } from './dead-letter.ts'
import { type FoundDeadLetter, failedAgain, identity, matches, ownRejections } from './found-dead-letters.ts'

const deadLetter: DeadLetter = {
  source_topic: 'telemetry.frames',
  source_partition: 3,
  source_offset: 42,
  source_timestamp: 5,
  samples: [],
  quantities: [],
  key: Buffer.from('hive'),
  value: Buffer.from([0, 1, 255, 128]),
  records: [],
  reason: 'unknown-device',
  detail: 'hive is not in the app database',
  processor: 'standardise',
  processor_version: '1',
  attempt: 1,
  first_failed: 1000,
  last_failed: 2000,
}

const at = (of: DeadLetter, offset = 0n): FoundDeadLetter => ({ topic: 'x.dead' as Topic, partition: 0, offset, deadLetter: of })

describe('dead letters', () => {
  it('are chosen by reason, device and the time of their last failure, the end of which is not included', () => {
    expect(matches(deadLetter, {})).to.equal(true)
    expect(matches(deadLetter, { reason: 'unknown-device', device: 'hive', fromMs: 2000, toMs: 2001 })).to.equal(true)
    for (const filter of [{ reason: 'other' }, { device: 'hive2' }, { fromMs: 2001 }, { toMs: 2000 }])
      expect(matches(deadLetter, filter), JSON.stringify(filter)).to.equal(false)
    expect(matches({ ...deadLetter, key: null }, { device: 'hive' })).to.equal(false)
  })

  it('are chosen by the fingerprint of the frame that they keep, and what is no frame has none', () => {
    const fingerprint = '0123456789abcdef'
    const frame = { ...deadLetter, value: Buffer.from(`c301${fingerprint}00`, 'hex') }
    expect(matches(frame, { fingerprint })).to.equal(true)
    expect(matches(frame, { fingerprint: fingerprint.replace('f', 'e') })).to.equal(false)
    for (const value of [null, Buffer.alloc(0), Buffer.from('c301', 'hex'), Buffer.from(fingerprint, 'hex')])
      expect(matches({ ...deadLetter, value }, { fingerprint })).to.equal(false)
  })

  it('keep their bytes, their source and the time of their first failure when they fail again', () => {
    const again = failedAgain(deadLetter, { reason: 'out-of-range', detail: 'hot', samples: [7], quantities: ['temperature'] }, 9000, '2')
    expect(again).to.deep.equal({
      ...deadLetter,
      samples: [7],
      quantities: ['temperature'],
      reason: 'out-of-range',
      detail: 'hot',
      processor_version: '2',
      attempt: 2,
      last_failed: 9000,
    })
    expect(again.value).to.equal(deadLetter.value)
  })

  it('of samples, or of quantities of them, are about that part alone', () => {
    const rejection = { reason: 'out-of-range', detail: '', samples: [1, 2, 3], quantities: ['temperature', 'humidity'] }
    const own = (part: Partial<DeadLetter>, rejections: readonly Rejection[] = [rejection]): unknown =>
      ownRejections({ ...deadLetter, ...part }, rejections).map(({ samples, quantities }) => [samples, quantities])
    expect(own({})).to.deep.equal([
      [
        [1, 2, 3],
        ['temperature', 'humidity'],
      ],
    ])
    expect(own({ samples: [2, 4] })).to.deep.equal([[[2], ['temperature', 'humidity']]])
    expect(own({ samples: [4] })).to.deep.equal([])
    expect(own({ samples: [1], quantities: ['humidity'] })).to.deep.equal([[[1], ['humidity']]])
    expect(own({ quantities: ['weight'] })).to.deep.equal([])
    expect(own({ samples: [4], quantities: ['weight'] }, [{ reason: 'defect', detail: '', samples: [] }])).to.deep.equal([
      [[4], ['weight']],
    ])
  })

  it('are the same if source, sample and attempt are, whenever they were written', () => {
    expect(identity(at({ ...deadLetter, last_failed: 9, first_failed: 8 }))).to.equal(identity(at(deadLetter)))
    expect(identity(at({ ...deadLetter, attempt: 2 }))).to.not.equal(identity(at(deadLetter)))
    for (const other of [{ samples: [0] }, { quantities: ['weight'] }, { reason: 'other' }])
      expect(identity(at({ ...deadLetter, ...other })), JSON.stringify(other)).to.not.equal(identity(at(deadLetter)))
  })

  it('of thousands of samples are remembered by a few bytes', () => {
    const samples = Array.from({ length: 20_000 }, (_, sample) => sample)
    expect(identity(at({ ...deadLetter, samples })).length).to.be.below(200)
    expect(identity(at({ ...deadLetter, samples }))).to.not.equal(identity(at({ ...deadLetter, samples: samples.slice(1) })))
  })

  it('of MQTT, which has no offsets, are each one by itself: a device may send the same twice within a millisecond', () => {
    const message = { ...deadLetter, source_topic: 'devices/hive/telemetry', source_partition: -1, source_offset: -1 }
    expect(identity(at(message, 1n))).to.not.equal(identity(at(message, 2n)))
    const again = { ...message, attempt: 2 }
    expect(identity(at({ ...again, value: Buffer.from([0, 1, 255, 128]) }, 3n))).to.equal(identity(at(again, 4n)))
    expect(identity(at({ ...again, value: Buffer.from([0, 1, 255, 129]) }))).to.not.equal(identity(at(again)))
    expect(identity(at({ ...again, source_timestamp: 6 }))).to.not.equal(identity(at(again)))
  })
})
