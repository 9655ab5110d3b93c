import avro from 'avsc'
import { expect } from 'chai'
import { readSchema } from '../../schemas/files.ts'
import type { DeviceId } from '../contract.ts'
import { createStatusEncoder, StatusRefusal } from './status.ts'

describe('device status', () => {
  const schema = readSchema('device-status').json
  const encode = createStatusEncoder(schema, 258)
  const type = avro.Type.forSchema(schema as avro.Schema)
  const decode = (json: unknown): object => {
    const bytes = encode(JSON.stringify(json), 'hive-a' as DeviceId, 1_795_406_400_250)
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
      detail: '{"device_id":"another","rssi":-70}',
    })
  })

  it('needs nothing but its state', () => {
    expect(decode({ state: 'lost' })).to.include({ state: 'lost', boot: null, firmware: null, detail: null })
  })

  for (const [text, detail] of [
    ['ready', /^expected JSON/],
    ['"ready"', /expected an object/],
    ['{}', /"state": expected one of init, ready, sleeping, lost, got nothing/],
    ['{"state": "READY"}', /got "READY"/],
    ['{"state": "ready", "boot": 1.5}', /"boot": expected a 32-bit integer, got 1.5/],
    ['{"state": "ready", "boot": 3000000000}', /"boot"/],
    ['{"state": "ready", "firmware": 1}', /"firmware": expected text/],
  ] as const) {
    it(`refuses ${text}`, () => {
      expect(() => encode(text, 'a' as DeviceId, 1)).to.throw(StatusRefusal, detail)
    })
  }
})
