import { expect } from 'chai'
import { readFirmwares, readQuantities } from '../../schemas/files.ts'
import { parseFirmware } from '../../schemas/firmware.ts'
import { firmwareSchema } from './firmware-schema.ts'

describe('the schema that a firmware is recorded with', () => {
  it('gives that firmware', () => {
    const quantities = new Set(readQuantities().map(({ name }) => name))
    for (const { firmware } of readFirmwares()) {
      const schema: unknown = JSON.parse(JSON.stringify(firmwareSchema(firmware)))
      expect(parseFirmware(schema, quantities)).to.deep.equal(firmware)
    }
  })
})
