import { expect } from 'chai'
import fc from 'fast-check'
import { MalformedError } from '../schemas/frame-reader.ts'
import type { KafkaRecord, Lookups, Source, Topic } from './contract.ts'
import { type BusinessProcess, inputsByDevice } from './process.ts'

interface Item {
  readonly time: number
  readonly offset: bigint
}

const lookups: Lookups = {
  firmware: () => ({ tag: 'unknown' }),
  assignments: () => undefined,
  anchor: () => Number.NaN,
  schema: () => undefined,
  speaksFor: () => false,
  dialect: () => undefined,
}
/**
 * Each byte of a record is an input with that time, but 253, which is left out; a record that
 * begins with 255 is malformed.
 */
const from: Source<Item> = {
  topic: 'test' as Topic,
  decode: ({ value, offset }, _lookups, each, drop) => {
    if (value?.[0] === 255) throw new MalformedError('begins with 255')
    // As another copy of Millrace throws it: that of the package that the process is in.
    if (value?.[0] === 254) throw Object.assign(new Error('begins with 254'), { code: 'MALFORMED', transient: false })
    value?.forEach((time, sample) => {
      if (time === 253) drop?.('odd')
      else each({ time, offset }, sample)
    })
  },
}
const record = (key: string, bytes: readonly number[], offset = 0n): KafkaRecord => ({
  key: Buffer.from(key),
  value: Buffer.from(bytes),
  timestampMs: 0,
  offset,
})
const inputs = (records: readonly KafkaRecord[], order: BusinessProcess<Item>['order'] = 'newest-first') =>
  inputsByDevice({ from, order, time: ({ time }) => time }, records, lookups)

describe('inputs by device', () => {
  const records = fc
    .array(fc.tuple(fc.constantFrom('a', 'b', 'c'), fc.array(fc.nat(252), { maxLength: 5 })))
    .map((list) => list.map(([key, bytes], index) => record(key, bytes, BigInt(index))))

  it('have every input once, with its device', () => {
    fc.assert(
      fc.property(records, (list) => {
        const { devices } = inputs(list)
        const given = list.flatMap(({ key, value }) => [...(value ?? [])].map((time) => `${String(key)} ${time}`))
        const got = devices.flatMap(({ device, items }) => items.map(({ time }) => `${device} ${time}`))
        expect(got.sort()).to.deep.equal(given.sort())
        expect(new Set(devices.map(({ device }) => device)).size).to.equal(devices.length)
      }),
    )
  })

  it('come newest first, and of one time the one that came last first', () => {
    fc.assert(
      fc.property(records, (list) => {
        for (const { items } of inputs(list).devices) {
          for (const [index, { time, offset }] of items.slice(1).entries()) {
            const before = items[index]
            expect(before !== undefined && (before.time > time || (before.time === time && before.offset >= offset))).to.equal(true)
          }
        }
      }),
    )
  })

  it('come oldest first in the exact reverse', () => {
    fc.assert(
      fc.property(records, (list) => {
        const reversed = inputs(list, 'oldest-first').devices.map((each) => ({ ...each, items: [...each.items].reverse() }))
        expect(reversed).to.deep.equal(inputs(list).devices)
      }),
    )
  })

  it('come in the order of their records, whatever their times say', () => {
    fc.assert(
      fc.property(records, (list) => {
        for (const { items } of inputs(list, 'as-they-came').devices)
          for (const [index, { offset }] of items.slice(1).entries())
            expect(items[index]?.offset).to.satisfy((before: bigint) => before <= offset)
      }),
    )
  })

  it('leave out what cannot be decoded or has no device for a key, and say why', () => {
    const bad = [record('a', [255, 1]), record('not a device', [1]), record('a', [254])]
    const { devices, undecodable } = inputs([record('a', [1]), ...bad])
    expect(devices.map(({ device }) => device)).to.deep.equal(['a'])
    expect(undecodable.map((each) => each.record)).to.deep.equal(bad)
    expect(undecodable[1]?.detail).to.contain('not a device')
  })

  it('are counted by reason if their source drops them, also those of a record that has no others', () => {
    const { devices, dropped } = inputs([record('a', [253, 1, 253]), record('b', [253])])
    expect(devices.map(({ device, items }) => [device, items.length])).to.deep.equal([['a', 1]])
    expect(dropped).to.deep.equal(new Map([['odd', 3]]))
  })
})
