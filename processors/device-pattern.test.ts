import { expect } from 'chai'
import fc from 'fast-check'
import { isOneDevice, matchesPattern, parseDevicePattern } from './device-pattern.ts'

const matches = (pattern: string, device: string): boolean => {
  const parsed = parseDevicePattern(pattern)
  if (parsed === undefined) throw new Error(`${pattern} is no pattern`)
  return matchesPattern(parsed, device)
}

describe('a pattern of devices', () => {
  it('without an asterisk is one device', () => {
    expect(matches('silo-1', 'silo-1')).to.equal(true)
    expect(matches('silo-1', 'silo-11')).to.equal(false)
    expect(matches('silo-1', 'a-silo-1')).to.equal(false)
    const one = parseDevicePattern('silo-1')
    expect(one !== undefined && isOneDevice(one)).to.equal(true)
  })

  it('has asterisks for any characters, or none', () => {
    expect(['silo-', 'silo-7', 'silo-7-b', 'silo', 'xsilo-7'].map((device) => matches('silo-*', device))).to.deep.equal([
      true,
      true,
      true,
      false,
      false,
    ])
    expect(matches('a*a', 'a')).to.equal(false)
    expect(matches('a*a', 'aa')).to.equal(true)
    expect(matches('*-*-x', 'a-b-x')).to.equal(true)
    expect(matches('*-*-x', 'a-x')).to.equal(false)
    expect(matches('*', 'anything')).to.equal(true)
  })

  it('says of every device what the regular expression of the same kind would', () => {
    const text = fc.stringMatching(/^[ab*][ab*]{0,7}$/)
    fc.assert(
      fc.property(text, fc.stringMatching(/^[ab]{1,9}$/), (pattern, device) => {
        expect(matches(pattern, device)).to.equal(new RegExp(`^${pattern.replaceAll('*', '.*')}$`).test(device))
      }),
    )
  })

  it('is no text that a device ID could never be', () => {
    for (const text of ['', ' ', 'a b', 'silo/*', '_a', '-*', 'ä*', 'a\n', 'a?', `${'a'.repeat(64)}*`])
      expect(parseDevicePattern(text), JSON.stringify(text)).to.equal(undefined)
  })
})
