import { expect } from 'chai'
import { readSchema } from './files.ts'
import { FirmwareSchemaError, isMeasuring, parseFirmware, quantityOf } from './firmware.ts'

const quantities = new Set(['temperature', 'humidity', 'weight', 'sound_level', 'battery_level'])

function altered(change: (schema: { fields: Record<string, unknown>[]; [name: string]: unknown }) => void): unknown {
  const schema = structuredClone(readSchema('firmware/hive-2').json) as { fields: Record<string, unknown>[] }
  change(schema)
  return schema
}

describe('parseFirmware', () => {
  it('reads what a schema declares', () => {
    const { id, fullName, metrics } = parseFirmware(readSchema('firmware/hive-2').json, quantities)
    expect(id).to.equal('hive-2')
    expect(fullName).to.equal('millrace.firmware.hive.V2')
    expect(metrics.map(({ name, standard }) => `${name} → ${standard}`)).to.deep.equal([
      'temp16 → temperature',
      'rh → humidity',
      'weight → weight',
      'sound → sound_level',
      'charge → battery_level',
    ])
    expect(metrics[0]).to.include({ numerator: 625, addend: -400_000, denominator: 10_000, missing: -32_768 })
    expect(metrics[4]?.map?.get(3)).to.equal(75)
  })

  it('has times in milliseconds, unless the schema says otherwise', () => {
    const times = (schema: unknown): unknown => {
      const { tickMicros, dtKind, clockCount } = parseFirmware(schema, quantities)
      return { tickMicros, dtKind, clockCount }
    }
    expect(times(readSchema('firmware/hive-2').json)).to.deep.equal({ tickMicros: 1000, dtKind: 'int', clockCount: 2 })
    expect(times(altered((schema) => Object.assign(schema, { time_unit: 'us' })))).to.include({ tickMicros: 1 })
    expect(times(altered((schema) => Object.assign(schema.fields[5] ?? {}, { type: { type: 'array', items: 'long' } })))).to.include({
      dtKind: 'long',
    })
    const clock = { type: 'enum', name: 'Clock', symbols: ['SYNCED', 'UPTIME', 'ESTIMATED'] }
    expect(times(altered((schema) => Object.assign(schema.fields[2] ?? {}, { type: clock })))).to.include({ clockCount: 3 })
  })

  it('tells metrics of one quantity apart by their channel, which is no part of the fingerprint', () => {
    const plain = parseFirmware(readSchema('firmware/hive-2').json, quantities)
    const probes = altered((schema) => {
      Object.assign(schema.fields[6] ?? {}, { channel: 'brood' })
      Object.assign(schema.fields[7] ?? {}, { standard: 'temperature', channel: 'Top.2_a-b' })
      Object.assign(schema.fields[8] ?? {}, { standard: 'temperature' })
    })
    const { metrics, fingerprint } = parseFirmware(probes, quantities)
    expect(metrics.map(({ channel }) => channel)).to.deep.equal(['brood', 'Top.2_a-b', null, null, null])
    expect(metrics.filter(isMeasuring).slice(0, 3).map(quantityOf)).to.deep.equal([
      'brood/temperature',
      'Top.2_a-b/temperature',
      'temperature',
    ])
    expect(fingerprint).to.deep.equal(plain.fingerprint)
  })

  it('may have fields that are carried and left out, if it says so', () => {
    const { metrics } = parseFirmware(
      altered((schema) => Object.assign(schema.fields[6] ?? {}, { standard: null })),
      quantities,
    )
    expect(metrics.map(({ name, standard }) => [name, standard])[0]).to.deep.equal(['temp16', null])
    expect(metrics.filter(isMeasuring)).to.have.length(metrics.length - 1)
  })

  const refused: readonly (readonly [string, unknown, RegExp])[] = [
    [
      'a namespace of another kind',
      altered((schema) => Object.assign(schema, { namespace: 'acme' })),
      /namespace must be millrace\.firmware\.<model>, not "acme"/,
    ],
    ['a name without version', altered((schema) => Object.assign(schema, { name: 'Hive' })), /name must be V<version>, not "Hive"/],
    [
      'a unit of time that is none',
      altered((schema) => Object.assign(schema, { time_unit: 'ns' })),
      /"time_unit" must be "ms" or "us", not "ns"/,
    ],
    [
      'another clock',
      altered((schema) => Object.assign(schema.fields[2] ?? {}, { type: { type: 'enum', name: 'Clock', symbols: ['UPTIME', 'SYNCED'] } })),
      /field 2 must be "clock" of type .*"SYNCED","UPTIME"\]\} or .*"ESTIMATED"\]\}, not/,
    ],
    ['a missing head field', altered((schema) => schema.fields.shift()), /field 0 must be "boot"/],
    [
      'a quantity that is not standard',
      altered((schema) => Object.assign(schema.fields[6] ?? {}, { standard: 'mood' })),
      /metric temp16: "standard" must be a quantity of readings\.avsc or of the configuration's `quantities`, or null for a field that is left out, not "mood"/,
    ],
    [
      'two metrics for one quantity',
      altered((schema) => Object.assign(schema.fields[7] ?? {}, { standard: 'temperature' })),
      /two metrics measure temperature without a "channel", temp16 and rh: give them different channels/,
    ],
    [
      'a scale that is a number',
      altered((schema) => Object.assign(schema.fields[6] ?? {}, { scale: 0.0625 })),
      /metric temp16: .*decimals in quotes/,
    ],
    ['a scale of zero', altered((schema) => Object.assign(schema.fields[6] ?? {}, { scale: '0' })), /metric temp16: "scale" must not be 0/],
    [
      'a scale too fine to be exact',
      altered((schema) => Object.assign(schema.fields[6] ?? {}, { scale: '12345678.9' })),
      /cannot be applied exactly/,
    ],
    ['no missing code', altered((schema) => Object.assign(schema.fields[6] ?? {}, { missing: null })), /"missing" must be an integer/],
    [
      'a map that is no map',
      altered((schema) => Object.assign(schema.fields[10] ?? {}, { map: { low: 1 } })),
      /metric charge: "map" must give a number for an integer code/,
    ],
    [
      'two metrics for one quantity of one channel',
      altered((schema) => {
        Object.assign(schema.fields[6] ?? {}, { channel: 'brood' })
        Object.assign(schema.fields[7] ?? {}, { standard: 'temperature', channel: 'brood' })
      }),
      /two metrics measure temperature on channel brood, temp16 and rh/,
    ],
    ...['', 'a/b', '-a', 'a b', 'ä', 'a'.repeat(33), 7, {}].map(
      (channel) =>
        [
          `the channel ${JSON.stringify(channel)}`,
          altered((schema) => Object.assign(schema.fields[6] ?? {}, { channel })),
          /metric temp16: "channel" must be 1 to 32 of A-Z, a-z, 0-9, _, \. and -, starting with a letter or digit, not /,
        ] as const,
    ),
    [
      'a field whose standard was forgotten',
      altered((schema) => Reflect.deleteProperty(schema.fields[6] ?? {}, 'standard')),
      /metric temp16: "standard" must be a quantity of readings\.avsc or of .*, or null/,
    ],
    [
      'a field that is left out and has a channel',
      altered((schema) => Object.assign(schema.fields[6] ?? {}, { standard: null, channel: 'brood' })),
      /metric temp16: with "standard": null it must have no "channel"/,
    ],
    [
      'nothing that is measured',
      altered((schema) => {
        for (const field of schema.fields.slice(6)) field.standard = null
      }),
      /at least one metric that measures a quantity/,
    ],
    ['no metrics', altered((schema) => schema.fields.splice(6)), /at least one metric/],
  ]
  for (const [what, schema, message] of refused) {
    it(`refuses ${what}`, () => {
      expect(() => parseFirmware(schema, quantities)).to.throw(FirmwareSchemaError, message)
    })
  }
})
