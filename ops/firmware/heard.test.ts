import { expect } from 'chai'
import fc from 'fast-check'
import { avroType } from '../../schemas/avro-type.ts'
import { readSchema } from '../../schemas/files.ts'
import { wireHeader } from '../../schemas/wire-format.ts'
import { FirmwareOfReadings } from './heard.ts'

describe('the firmware of a record of readings', () => {
  const type = avroType(readSchema('readings').json)
  const record = (firmware: string): Buffer =>
    Buffer.concat([wireHeader(3), type.toBuffer({ device_id: 'hive-a/brood', firmware, boot: 1, seq: 2, dropped: 0, samples: [] })])

  it('is read from its head, whatever its text', () => {
    const head = new FirmwareOfReadings()
    fc.assert(
      fc.property(fc.string({ unit: 'grapheme', maxLength: 80 }), (firmware) => {
        expect(head.read(record(firmware))).to.equal(Buffer.from(firmware).toString())
      }),
    )
  })

  it('is undefined for what is no such record, wherever it is cut off', () => {
    const head = new FirmwareOfReadings()
    const whole = record('hive-1')
    const end = 5 + 1 + 'hive-a/brood'.length + 1 + 'hive-1'.length
    for (let length = 0; length < end; length++) expect(head.read(whole.subarray(0, length)), String(length)).to.equal(undefined)
    expect(head.read(whole.subarray(0, end))).to.equal('hive-1')
    expect(head.read(Buffer.alloc(20, 0xff))).to.equal(undefined)
  })
})
