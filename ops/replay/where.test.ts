import { expect } from 'chai'
import { ConfigError } from '../../services/config.ts'
import type { RowColumn } from '../rows/row.ts'
import { compileWhere } from './where.ts'

const columns: readonly RowColumn[] = [
  { name: 'device_id', kind: 'text', unit: null },
  { name: 'ts', kind: 'timestamp', unit: null },
  { name: 'account_id', kind: 'whole', unit: null },
  { name: 'temperature', kind: 'double', unit: 'Cel' },
  { name: 'humidity', kind: 'double', unit: '%' },
]
const TS = Date.UTC(2026, 10, 23, 4) * 1000
const matches = (expression: string, temperature: number | null, humidity: number | null = null): boolean =>
  compileWhere(expression, columns)(['hive-1', TS, 7, temperature, humidity])
const refused = (expression: string): string => {
  try {
    compileWhere(expression, columns)
  } catch (cause) {
    if (cause instanceof ConfigError) return cause.message
    throw cause
  }
  return 'taken'
}

describe('conditions of a replay', () => {
  it('compare numbers, texts, times and lists', () => {
    expect(matches('temperature > 30', 31)).to.equal(true)
    expect(matches('temperature > 30', 29.9)).to.equal(false)
    expect(matches('temperature > 30.5 && account_id in [7, 8] && device_id.startsWith("hive-")', 31)).to.equal(true)
    expect(matches('ts >= timestamp("2026-11-23T04:00:00Z")', 1)).to.equal(true)
    expect(matches('ts > timestamp("2026-11-23T04:00:00Z")', 1)).to.equal(false)
  })

  it('are not true of what is missing, whichever way they compare', () => {
    for (const expression of ['temperature > 30', 'temperature <= 30', '!(temperature > 30)', 'temperature + 1.0 > 0.0'])
      expect(matches(expression, null), expression).to.equal(false)
    expect(matches('temperature > 30 || humidity > 50', null, 60)).to.equal(true)
    expect(matches('temperature > 30 || humidity > 50', null, 40)).to.equal(false)
    expect(matches('temperature > 30 && humidity > 50', null, 60)).to.equal(false)
  })

  it('are refused for a field that there is not, a wrong type, or no condition, before anything is read', () => {
    expect(refused('temprature > 30'))
      .to.include('Unknown variable: temprature')
      .and.include('fields are device_id, ts, account_id, temperature')
    expect(refused('temperature > "warm"')).to.include('no such overload: double > string')
    expect(refused('temperature')).to.include('it is a value of type double, not a condition')
    expect(refused('temperature >')).to.not.equal('taken')
  })

  it('reach nothing but the fields', () => {
    for (const expression of [
      'device_id.constructor == "x"',
      '__proto__ == 1',
      'constructor.constructor("return process")() == 1',
      'process.exit(1)',
      'this == 1',
    ])
      expect(refused(expression), expression).to.not.equal('taken')
  })
})
