import { expect } from 'chai'
import { ConfigError } from '../services/config.ts'
import { readFleet } from './device-csv.ts'

describe('a list of devices', () => {
  it('is grouped by where they go; what a row does not say is that of the options', () => {
    const text = '\ufeffdevice,site,account\r\nhive-1,orchard,\r\n\r\nhive-2,,heath\r\n"hive-3",orchard,bees\r\n'
    expect(readFleet(text, 'fleet.csv', { account: 'bees', via: 'gw' })).to.deep.equal([
      { account: 'bees', site: 'orchard', via: 'gw', devices: ['hive-1', 'hive-3'], lines: [2, 5] },
      { account: 'heath', site: undefined, via: 'gw', devices: ['hive-2'], lines: [4] },
    ])
  })

  it('is refused with its line', () => {
    for (const [text, expected] of [
      ['', 'expected a header'],
      ['device,account\n', 'expected a header and a line'],
      ['name\nhive-1\n', 'line 1: expected the columns device'],
      ['device,owner\nhive-1,bees\n', 'line 1: expected the columns device'],
      ['device,account\nhive-1,bees\nhive 2,bees\n', 'line 3: "hive 2" is not a device ID'],
      ['device,account\nhive-1,bees\nhive-1,bees\n', 'line 3: hive-1 is in line 2 already'],
      ['device\nhive-1\n', 'line 2: expected a column account'],
      ['device,account\nhive-1\n', 'Invalid Record Length'],
    ] as const)
      expect(() => readFleet(text, 'fleet.csv', {}), text).to.throw(ConfigError, expected)
  })
})
