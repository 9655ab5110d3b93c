import { expect } from 'chai'
import fc from 'fast-check'
import { guessQuantity, wordsOf } from './guess-quantity.ts'

const guess = (name: string, minimum?: number, maximum = minimum): string | undefined => {
  const found = guessQuantity(name.split('/'), minimum === undefined || maximum === undefined ? undefined : { minimum, maximum })
  return (
    found && `${found.quantity}${found.unit === undefined ? '' : ` ${found.unit}`}${found.scale === undefined ? '' : ` ×${found.scale}`}`
  )
}

describe('the guess of a quantity', () => {
  it('knows names in several languages, and what firmwares make of them', () => {
    for (const [name, value, expected] of [
      ['temperature', 21, 'temperature'],
      ['Außentemperatur', 21, 'temperature'],
      ['TempC_SHT', 21, 'temperature'],
      ['temp_f', 70, 'temperature [degF]'],
      ['t_i', 34, 'temperature'],
      ['Luftfeuchtigkeit', 50, 'humidity'],
      ['Gewicht Total', 41, 'weight'],
      ['weight_kg', 41, 'weight'],
      ['batteryVoltage', 3.1, 'battery_voltage'],
      ['BatV', 3.1, 'battery_voltage'],
      ['battery', 97, 'battery_level'],
      ['wifi_rssi', -60, 'signal_strength'],
      ['eCO2', 700, 'carbon_dioxide'],
      ['ENERGY/Power', 37, 'power'],
      ['ENERGY/ApparentPower', 52, 'apparent_power'],
      ['illuminance_lux', 400, 'illuminance'],
      ['battery/voltage', 3.1, 'battery_voltage'],
      ['pm2_5', 12, 'pm2_5'],
      ['lon', 13.4, 'longitude'],
    ] as const)
      expect(guess(name, value), name).to.equal(expected)
  })

  it('fits the unit to the numbers', () => {
    expect(guess('pressure', 100.8)).to.equal('pressure kPa')
    expect(guess('pressure', 100_800)).to.equal('pressure Pa')
    expect(guess('pressure', 1008)).to.equal('pressure')
    expect(guess('Discharge/Pressure', 4.25)).to.equal('pressure bar')
    expect(guess('vbat', 2985)).to.equal('battery_voltage mV')
    expect(guess('temp', 215, 230)).to.equal('temperature [degF]')
    expect(guess('temp', 2150, 2300)).to.equal('temperature ×0.01')
    expect(guess('weight', 41_270)).to.equal('weight g')
    expect(guess('current_ma', 224)).to.equal('electric_current mA')
  })

  it('leaves to a person what is something else, or cannot be it', () => {
    for (const name of [
      'DewPoint',
      'temp_setpoint',
      'battery_low',
      'energy_today',
      'device_temperature_unit',
      'linkquality',
      'x',
      'BME280/T1x',
    ])
      expect(guess(name, 20), name).to.equal(undefined)
    expect(guess('humidity', 50_000)).to.equal(undefined)
    expect(guess('latitude', 4711)).to.equal(undefined)
  })

  it('splits any name into words, and takes any name', () => {
    expect(wordsOf('TempC_SHT-outside.1')).to.deep.equal(['temp', 'c', 'sht', 'outside', '1'])
    fc.assert(
      fc.property(fc.array(fc.string({ unit: 'binary' })), fc.double(), (names, value) => {
        guessQuantity(names, { minimum: value, maximum: value })
      }),
    )
  })
})
