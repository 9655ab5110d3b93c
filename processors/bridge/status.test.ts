import avro from 'avsc'
import { expect } from 'chai'
import { readSchema } from '../../schemas/files.ts'
import type { DeviceId } from '../contract.ts'
import { TextRefusal } from './json-text.ts'
import { createStatusEncoder } from './status.ts'

describe('device status', () => {
  const schema = readSchema('device-status').json
  const encode = createStatusEncoder(schema, 258)
  const type = avro.Type.forSchema(schema as avro.Schema)
  const decode = (json: unknown): object => {
    const bytes = encode({ payload: Buffer.from(JSON.stringify(json)), receivedMs: 1_795_406_400_250, retain: true }, 'hive-a' as DeviceId)
    expect([...bytes.subarray(0, 5)]).to.deep.equal([0, 0, 0, 1, 2])
    return { ...(type.fromBuffer(bytes.subarray(5)) as object) }
  }

  it('has the device from the topic and the moment of receipt', () => {
    expect(decode({ state: 'ready', device_id: 'another', boot: 7, firmware: 'hive-1', rssi: -70 })).to.deep.equal({
      device_id: 'hive-a',
      received: 1_795_406_400_250_000,
      state: 'ready',
      boot: 7,
      firmware: 'hive-1',
      retained: true,
      detail: '{"device_id":"another","rssi":-70}',
    })
  })

  it('needs nothing but its state', () => {
    expect(decode({ state: 'lost' })).to.include({ state: 'lost', boot: null, firmware: null, detail: null })
  })

  it('takes a byte order mark, characters of two halves, and fields of any name', () => {
    const payload = Buffer.from('\ufeff{"state": "ready", "firmware": "🐝", "__proto__": {"a": [1]}, "\\ud83d": "\\u0000"}')
    const bytes = encode({ payload, receivedMs: 1, retain: false }, 'a' as DeviceId)
    expect({ ...(type.fromBuffer(bytes.subarray(5)) as object) }).to.include({
      firmware: '🐝',
      detail: '{"__proto__":{"a":[1]},"\\ud83d":"\\u0000"}',
    })
  })

  for (const [text, detail] of [
    ['ready', /^expected JSON/],
    ['"ready"', /expected an object/],
    ['{}', /"state": expected one of init, ready, sleeping, lost, got nothing/],
    ['{"state": "READY"}', /got "READY"/],
    ['{"state": "ready", "boot": 1.5}', /"boot": expected a 32-bit integer, got 1.5/],
    ['{"state": "ready", "boot": 3000000000}', /"boot"/],
    ['{"state": "ready", "firmware": 1}', /"firmware": expected text/],
    ['{"state": "ready", "firmware": "hive-1\\u0000"}', /"firmware": expected text without NUL .*got \\u0000 at position 6/],
    ['{"state": "ready", "firmware": "\\ud83d!"}', /got \\ud83d at position 0/],
    ['{"state": "ready", "firmware": "\\udc1d\\ud83d"}', /got \\udc1d at position 0/],
    [`{"state": "ready", "firmware": "${'x'.repeat(201)}"}`, /at most 200 characters, got 201/],
    ['{"state": "ready", "state": "lost"}', /"state": expected once, it is there twice/],
    [`{"state": "ready", "x": ${'['.repeat(5_000)}${']'.repeat(5_000)}}`, /at most 32 levels, got 5001/],
    [`${'{"x":'.repeat(30_000)}1${'}'.repeat(30_000)}`, /at most 32 levels, got 30000/],
    [Buffer.from('{"state":"ready","firmware":"H\xff"}', 'latin1'), /expected UTF-8, got byte ff at position 30 of 33/],
    ['{"state": "ready"}\0', /byte 00 at position 18 of 19 has no place in it/],
  ] as const) {
    it(`refuses ${String(text).slice(0, 60)}`, () => {
      expect(() => encode({ payload: Buffer.from(text), receivedMs: 1, retain: false }, 'a' as DeviceId)).to.throw(TextRefusal, detail)
    })
  }
})
