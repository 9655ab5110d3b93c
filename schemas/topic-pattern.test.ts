import { expect } from 'chai'
import fc from 'fast-check'
import { parseTopicPattern, TopicPatternError } from './topic-pattern.ts'

describe('topic pattern', () => {
  const cases: readonly (readonly [pattern: string, filter: string, topic: string, captures: Record<string, string> | undefined])[] = [
    ['devices/{device}/telemetry', 'devices/+/telemetry', 'devices/a/telemetry', { device: 'a' }],
    ['devices/{device}/telemetry', 'devices/+/telemetry', 'devices/a/b/telemetry', undefined],
    ['devices/{device}/telemetry', 'devices/+/telemetry', 'devices//telemetry', undefined],
    ['devices/{device}/telemetry', 'devices/+/telemetry', 'devices/a/telemetry/', undefined],
    ['{device}/data', '+/data', '352094089712345/data', { device: '352094089712345' }],
    ['{device}/data', '+/data', '$SYS/data', undefined],
    ['s/{device}/ext_{metric}/{channel}', 's/+/+/+', 's/x/ext_temperature/1', { device: 'x', metric: 'temperature', channel: '1' }],
    ['s/{device}/ext_{metric}/{channel}', 's/+/+/+', 's/x/ext_/1', undefined],
    ['a/{x}-{y}', 'a/+', 'a/1-2-3', { x: '1', y: '2-3' }],
    ['a/{x}-{y}.json', 'a/+', 'a/1-2.json.json', { x: '1', y: '2.json' }],
    ['a/{x}-{y}', 'a/+', 'a/-2-3', { x: '-2', y: '3' }],
    ['z/{name...}', 'z/#', 'z/cellar/north wall', { name: 'cellar/north wall' }],
    ['z/{name...}', 'z/#', 'z/a', { name: 'a' }],
    ['z/{name...}', 'z/#', 'z', undefined],
    ['z/{name...}', 'z/#', 'z/', undefined],
    ['z/{name...}/availability', 'z/#', 'z/a/b/availability', { name: 'a/b' }],
    ['z/{name...}/availability', 'z/#', 'z/availability', undefined],
    ['{all...}', '#', 'a/b', { all: 'a/b' }],
    ['{all...}', '#', '$SYS/b', undefined],
    ['a/b', 'a/b', 'a/b', {}],
    ['a/b/', 'a/b/', 'a/b/', {}],
    ['a/{__proto__}', 'a/+', 'a/x', JSON.parse('{"__proto__":"x"}')],
  ]
  for (const [pattern, filter, topic, captures] of cases) {
    it(`${pattern} ${captures === undefined ? 'does not take' : 'takes'} ${topic}`, () => {
      const parsed = parseTopicPattern(pattern)
      expect(parsed.filter).to.equal(filter)
      const found = parsed.match(topic)
      expect(found === undefined ? undefined : Object.entries(found)).to.deep.equal(
        captures === undefined ? undefined : Object.entries(captures),
      )
    })
  }

  const refused: readonly (readonly [string, RegExp])[] = [
    ['', /at least one level/],
    ['$SYS/x', /starts with \$/],
    ['a/+/b', /no \+ or #/],
    ['a/#', /the rest is \{name\.\.\.\}/],
    ['a/{x}{y}', /between two captures/],
    ['a/{x}/{x}', /\{x\} once/],
    ['a/{x...}/{y...}', /at most once/],
    ['a/n{x...}', /a level of its own/],
    ['a/{}', /a name of letters/],
    ['a/{1x}', /a name of letters/],
    ['a/{x', /braces in pairs/],
    ['a/x}', /braces in pairs/],
    ['a/\0', /no NUL/],
  ]
  for (const [pattern, expected] of refused) {
    it(`refuses ${JSON.stringify(pattern)}`, () => {
      expect(() => parseTopicPattern(pattern)).to.throw(TopicPatternError, expected)
    })
  }

  it('takes back what its captures put together', () => {
    const level = fc.stringMatching(/^[a-z]{1,6}$/)
    fc.assert(
      fc.property(level, level, fc.array(level, { minLength: 1, maxLength: 4 }), (device, metric, rest) => {
        const name = rest.join('/')
        const found = parseTopicPattern('t/{device}/x_{metric}/{name...}/end').match(`t/${device}/x_${metric}/${name}/end`)
        expect({ ...found }).to.deep.equal({ device, metric, name })
      }),
    )
  })

  it('needs little time for a topic of 60 kB', () => {
    const pattern = parseTopicPattern('{a}-{b}-{c}-{d}/{rest...}/x')
    expect(pattern.match('-'.repeat(60_000))).to.equal(undefined)
    expect(pattern.match('/'.repeat(60_000))).to.equal(undefined)
  })
})
