import { expect } from 'chai'
import type { AvroSchema } from '../schemas/avro-schema.ts'
import { avroOutput, avroSource } from './avro.ts'
import { defineProcessor, drop, emit, parseSubDevice, reject, type Topic } from './contract.ts'
import { defineProcess } from './process.ts'
import { readingFrames, readings } from './topics.ts'

interface Alert {
  readonly device_id: string
  readonly level: 'low' | 'high'
  readonly note: string | null
}
const schema: AvroSchema<Alert> = {
  path: 'alert.avsc',
  json: {
    type: 'record',
    name: 'Alert',
    fields: [
      { name: 'device_id', type: 'string' },
      { name: 'level', type: { type: 'enum', name: 'Level', symbols: ['low', 'high'] } },
      { name: 'note', type: ['null', 'string'] },
    ],
  },
}
const alerts = avroOutput('alerts' as Topic, schema)
const from = avroSource('alerts' as Topic, schema)
const process = { database: 'app', order: 'as-they-came', time: () => 0, reasons: {}, handle: async () => undefined } as const
const reasons = { rude: { means: 'a rude word', whatToDo: 'be polite' } }

describe('the device ID of a row', () => {
  it('is a device, or a channel of one', () => {
    expect(parseSubDevice('hive-1')).to.deep.equal({ device: 'hive-1', channel: null })
    expect(parseSubDevice('hive-1/brood')).to.deep.equal({ device: 'hive-1', channel: 'brood' })
    expect(parseSubDevice(`${'a'.repeat(64)}/${'b'.repeat(32)}`)).to.deep.equal({ device: 'a'.repeat(64), channel: 'b'.repeat(32) })
  })

  it('is nothing else', () => {
    for (const text of ['', '/', 'a/', '/b', 'a/b/c', 'a b', 'a/-b', `a/${'b'.repeat(33)}`, `${'a'.repeat(65)}/b`, 'a/b\n'])
      expect(parseSubDevice(text), JSON.stringify(text)).to.equal(undefined)
  })
})

describe('what a processor declares', () => {
  it('may be as little as where it reads, where it emits to, and what it makes of a reading', () => {
    const frostAlert = defineProcessor({
      from: readings,
      to: { alerts },
      handle: ({ device_id, temperature }) =>
        temperature !== null && temperature < 0 ? emit('alerts', { device_id, level: 'low', note: null }) : drop('no-frost'),
    })
    expect(frostAlert).to.deep.include({ to: { alerts }, needs: ['schema'], reasons: {} })
  })

  it('needs what its source needs, and each look-up once', () => {
    const handle = (): [] => []
    expect(defineProcessor({ from, to: {}, handle })).to.deep.include({ needs: ['schema'], reasons: {} })
    expect(defineProcessor({ from, to: {}, needs: ['assignments', 'schema'], handle }).needs).to.deep.equal(['schema', 'assignments'])
    expect(defineProcess({ ...process, from }).needs).to.deep.equal(['schema'])
  })

  it('is held to by the compiler: each line below that is marked would otherwise be an error of its own', () => {
    const [device_id, note] = ['hive', null]
    const declared = [
      defineProcessor({ from, to: { alerts }, handle: () => emit('alerts', { device_id, level: 'low', note }) }),
      defineProcessor({ from, to: { alerts }, reasons, handle: () => [reject('rude', 'x'), drop('dull')] }),
      // @ts-expect-error an output that is not declared
      defineProcessor({ from, to: { alerts }, handle: () => emit('warnings', { device_id, level: 'low', note }) }),
      // @ts-expect-error a field of another type
      defineProcessor({ from, to: { alerts }, handle: () => emit('alerts', { device_id: 5, level: 'low', note }) }),
      // @ts-expect-error a symbol that the enum does not have
      defineProcessor({ from, to: { alerts }, handle: () => emit('alerts', { device_id, level: 'medium', note }) }),
      // @ts-expect-error a field too few
      defineProcessor({ from, to: { alerts }, handle: () => emit('alerts', { device_id, level: 'low' }) }),
      // @ts-expect-error a reason that is not declared
      defineProcessor({ from, to: { alerts }, reasons, handle: () => reject('unheard-of', 'x') }),
      // @ts-expect-error a field that the source does not have
      defineProcessor({ from, to: { alerts }, handle: ({ device }) => emit('alerts', { device_id: device, level: 'low', note }) }),
    ]
    for (const { to } of declared) expect(to).to.deep.equal({ alerts })
    // @ts-expect-error a source of which an input may not be kept
    expect(defineProcess({ ...process, from: readingFrames }).needs).to.deep.equal(['schema'])
  })
})
