import { expect } from 'chai'
import { quantities } from '../../../schemas/generated/readings.ts'
import { unitLabel } from './unit-label.ts'

describe('the label of a unit', () => {
  it('is what people write, for each unit of the schema', () => {
    const labels = new Map(quantities.map(({ unit }) => [unit, unitLabel(unit)]))
    expect(Object.fromEntries(labels)).to.deep.include({
      Cel: '°C',
      '%': '%',
      '[ppm]': 'ppm',
      'dB[mW]': 'dBm',
      'kW.h': 'kWh',
      'V.A': 'VA',
      'm3/h': 'm³/h',
      'ug/m3': 'µg/m³',
      'W/m2': 'W/m²',
      '/min': 'rpm',
      deg: '°',
      '1': '',
      'mm/s': 'mm/s',
    })
    for (const label of labels.values()) expect(label).to.not.match(/[[\]]/)
  })
})
