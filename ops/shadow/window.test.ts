import { expect } from 'chai'
import type { KafkaRecord, OutgoingRecord, Topic } from '../../processors/contract.ts'
import { fingerprintHeaders } from '../../processors/fingerprint-header.ts'
import { isAlike, lacks, MOST_OF_A_GROUP, Window } from './window.ts'

const TOPIC = 'alerts' as Topic
const key = Buffer.from('hive')
const place = (offset: number) => ({ topic: 'readings' as Topic, partition: 0, offset: BigInt(offset) })
const header = (byte: number) => fingerprintHeaders(Buffer.alloc(8, byte))

/** The ID of the schema is the registry's, and is not known on one side. */
function value(text: string, id: number): Buffer {
  return Buffer.concat([Buffer.from([0, 0, 0, 0, id]), Buffer.from(text)])
}

const working = (text: string, timestampMs = 5): OutgoingRecord => ({
  topic: TOPIC,
  key,
  value: value(text, 0),
  timestampMs,
  headers: header(1),
})
const deployed = (text: string, own: Partial<KafkaRecord> = {}): KafkaRecord => ({
  key,
  value: value(text, 9),
  timestampMs: 5,
  offset: 0n,
  headers: header(1),
  ...own,
})

describe('the window of a shadow run', () => {
  const input = { key, timestampMs: 5 }
  let window: Window
  beforeEach(() => {
    window = new Window([TOPIC])
  })
  const only = () => {
    const [group, ...others] = window.groups
    expect(others).to.deep.equal([])
    if (group === undefined) throw new Error('expected a group')
    return group
  }

  it('finds the outputs of an input by its key and time, whatever the schema’s ID, and takes repeats for repeats', () => {
    window.expect(place(1), input, [working('a'), working('b')], false)
    expect(lacks(only())).to.equal(true)
    for (const text of ['a', 'b', 'a', 'b']) expect(window.take(TOPIC, deployed(text))).to.equal(true)
    expect(isAlike(only())).to.equal(true)
    expect(window.repeats).to.equal(2)
  })

  it('leaves out what is of no input: of another time, another key, another topic', () => {
    window.expect(place(1), input, [working('a')], false)
    expect(window.take(TOPIC, deployed('a', { timestampMs: 4 }))).to.equal(false)
    expect(window.take(TOPIC, deployed('a', { key: Buffer.from('other') }))).to.equal(false)
    expect(window.take(TOPIC, deployed('a', { key: null }))).to.equal(false)
    expect(window.take('others' as Topic, deployed('a'))).to.equal(false)
    expect(lacks(only())).to.equal(true)
  })

  it('holds what is different, without repeats, also of an input that gives nothing now', () => {
    window.expect(place(1), input, [], false)
    window.take(TOPIC, deployed('a'))
    window.take(TOPIC, deployed('a'))
    expect(only().deployed.size).to.equal(1)
    expect(window.repeats).to.equal(1)
    expect(isAlike(only())).to.equal(false)
    expect(lacks(only())).to.equal(false)
  })

  it('takes the same bytes of another schema for something else', () => {
    window.expect(place(1), input, [working('a')], false)
    window.take(TOPIC, deployed('a', { headers: header(2) }))
    window.take(TOPIC, deployed('a', { headers: undefined }))
    expect(only().deployed.size).to.equal(2)
  })

  it('holds no more than the most of one key and time', () => {
    window.expect(place(1), input, [], false)
    for (let each = 0; each < MOST_OF_A_GROUP + 5; each++) window.take(TOPIC, deployed(String(each)))
    expect(only().deployed.size).to.equal(MOST_OF_A_GROUP)
    expect(window.unheld).to.equal(5)
  })
})
