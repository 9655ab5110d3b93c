import { readFileSync } from 'node:fs'
import { expect } from 'chai'
import type { FirmwareLookup } from '../../processors/contract.ts'
import { projectRoot, readFirmwares } from '../../schemas/files.ts'
import { parseDialect } from '../../schemas/parse-dialect.ts'
import { type Measure, measuresOfDialect, registeredFirmwares } from './known.ts'

describe('what firmwares measure', () => {
  const firmwares = readFirmwares().map(({ firmware }) => firmware)
  const directory = (lookups: ReadonlyMap<string, FirmwareLookup>) => ({
    fingerprints: () => new Map([...lookups.keys()].map((hex, index) => [hex, index] as const)),
    firmwareOf: (hex: string): FirmwareLookup => lookups.get(hex) ?? { tag: 'unknown' },
  })

  it('is the quantity of each field with its conversion', () => {
    const hive = firmwares.find(({ id }) => id === 'hive-1')
    if (hive === undefined) throw new Error('no hive-1')
    expect(registeredFirmwares(directory(new Map([['aa', { tag: 'known', firmware: hive }]])))).to.deep.equal([
      {
        name: 'hive-1',
        kind: 'firmware',
        fingerprints: ['aa'],
        measures: [
          { field: 'temperature', quantity: 'temperature', unit: 'Cel', conversion: 'raw × 0.01' },
          { field: 'humidity', quantity: 'humidity', unit: '%', conversion: 'raw × 0.01' },
        ],
        carried: [],
        problem: null,
      },
    ])
  })

  it('names offsets, codes, and whole numbers that are taken as they are', () => {
    const plant = firmwares.find(({ id }) => id === 'plant-1')
    if (plant === undefined) throw new Error('no plant-1')
    const [metric] = plant.metrics
    if (metric === undefined) throw new Error('no metric')
    const metrics = [
      { ...metric, name: 'a', scale: '0.0625', offset: '-40' },
      { ...metric, name: 'b', scale: '1', offset: '0' },
      { ...metric, name: 'c', scale: '2', offset: '3' },
      {
        ...metric,
        name: 'd',
        map: new Map([
          [0, 0],
          [7, 1.5],
        ] as const),
        channel: 'brood',
      },
    ]
    const [found] = registeredFirmwares(directory(new Map([['aa', { tag: 'known', firmware: { ...plant, metrics } }]])))
    expect(found?.measures.map(({ conversion }) => conversion)).to.deep.equal(['raw × 0.0625 − 40', 'raw', 'raw × 2 + 3', '0 → 0, 7 → 1.5'])
    expect(found?.measures[3]?.quantity).to.equal(`brood/${metric.standard}`)
  })

  it('is nothing of a field without a quantity, which is named', () => {
    const plant = firmwares.find(({ id }) => id === 'plant-1')
    const [first, ...others] = plant?.metrics ?? []
    if (plant === undefined || first === undefined) throw new Error('no plant-1')
    const metrics = [{ ...first, name: 'debug', standard: null }, ...others]
    const [found] = registeredFirmwares(directory(new Map([['aa', { tag: 'known', firmware: { ...plant, metrics } }]])))
    expect(found?.carried).to.deep.equal(['debug'])
    expect(found?.measures).to.have.length(others.length)
  })

  it('is nothing for a schema that cannot be used, which is named after its subject', () => {
    const detail = 'telemetry.frames-millrace.firmware.my.hive.V2: metric x: "standard" must be a quantity of readings.avsc, not "warmth"'
    expect(registeredFirmwares(directory(new Map([['bb', { tag: 'invalid', detail }]])))).to.deep.equal([
      { name: 'my.hive-2', kind: 'firmware', fingerprints: ['bb'], measures: [], carried: [], problem: detail },
    ])
  })

  it('is in a dialect the quantity of each path, with the conversion of its unit', () => {
    const text = `
dialect: scale
version: 1
topics: ["scales/{device}/data"]
samples:
  - quantities:
      weight: { path: $.g, unit: g }
      temperature: { path: [$.f, $.t], unit: "[degF]" }
      humidity: { path: $.h }
`
    expect(measuresOfDialect(parseDialect(text, 'scale.yaml'))).to.deep.equal([
      { field: '$.g', quantity: 'weight', unit: 'kg', conversion: 'value × 0.001' },
      { field: '$.f, $.t', quantity: 'temperature', unit: 'Cel', conversion: 'value × 5/9 − 160/9' },
      { field: '$.h', quantity: 'humidity', unit: '%', conversion: 'value' },
    ])
  })

  it('is said of every dialect that Millrace comes with', () => {
    for (const name of ['tasmota', 'shelly-gen1', 'millrace-json', 'senml', 'sparkplug-b']) {
      const path = `${projectRoot}schemas/dialects/${name}.yaml`
      const measures: readonly Measure[] = measuresOfDialect(parseDialect(readFileSync(path, 'utf8'), path))
      expect(measures, name).to.not.have.length(0)
      for (const { field, unit, conversion } of measures) expect([field, unit, conversion], name).to.not.include('')
    }
  })
})
