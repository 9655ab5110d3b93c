import { expect } from 'chai'
import fc from 'fast-check'
import { parseTopicPattern } from '../../schemas/topic-pattern.ts'
import { memoryKept } from '../../test/memory-kept.ts'
import { createRouter, defaultRoutes, dialectFilters, parseRoutes, type RouteConfig, type RoutedDialect } from './routes.ts'

const config = (pattern: string): RouteConfig => ({ pattern, carries: 'frames' })

describe('bridge routes', () => {
  const route = createRouter(parseRoutes(defaultRoutes))

  it('give the subscription filters', () => {
    expect(parseRoutes(defaultRoutes).map(({ filter }) => filter)).to.deep.equal(['devices/+/telemetry', 'devices/+/status'])
    expect(parseRoutes([config('{device}')])[0]?.filter).to.equal('+')
    expect(parseRoutes([config('plant/7/{device}/out')])[0]?.filter).to.equal('plant/7/+/out')
  })

  for (const pattern of [
    'devices/telemetry',
    '{device}/{device}',
    'a/+/{device}',
    'a/#/{device}',
    '{kind}/a',
    '{device}{kind}',
    '$SYS/{device}',
    '',
  ]) {
    it(`refuse the pattern ${JSON.stringify(pattern)} and name it`, () => {
      expect(() => parseRoutes([config(pattern)])).to.throw(RangeError, JSON.stringify(pattern))
    })
  }

  it('refuse a pattern that is there twice', () => {
    expect(() => parseRoutes([config('a/{device}'), config('a/{device}')])).to.throw(RangeError, 'twice')
  })

  it('find device and Kafka topic', () => {
    const destination = route('devices/hive_7-A/status')
    expect(destination).to.include({ tag: 'device', device: 'hive_7-A' })
    expect(destination).to.have.nested.property('route.topic', 'device.status')
    expect(destination).to.have.deep.property('key', Buffer.from('hive_7-A'))
    expect(route('devices/hive_7-A/status')).to.equal(destination)
  })

  for (const topic of ['devices/a', 'devices/a/telemetry/x', 'Devices/a/telemetry', '/devices/a/telemetry', 'devices/a/telemetry/', '']) {
    it(`find none for ${JSON.stringify(topic)}`, () => {
      expect(route(topic)).to.deep.equal({ tag: 'no-route' })
    })
  }

  for (const device of ['', '-a', 'a b', 'ä', 'a'.repeat(65), 'a.b']) {
    it(`refuse the device level ${JSON.stringify(device)}`, () => {
      expect(route(`devices/${device}/telemetry`)).to.deep.equal({ tag: 'no-device', text: device })
    })
  }

  it('take parts of levels, the rest of a topic, and the first route that matches', () => {
    const several = createRouter(
      parseRoutes([
        { pattern: 'plant/line-{device}/out', carries: 'frames' },
        { pattern: 'plant/{all...}', carries: 'raw' },
        { pattern: 'lwt/{site}/{device}', carries: 'status' },
      ]),
    )
    expect(several('plant/line-7/out')).to.include({ tag: 'device', device: '7' })
    expect(several('plant/x/out')).to.deep.equal({ tag: 'raw', identity: 'plant/x/out', key: Buffer.from('plant/x/out') })
    expect(several('lwt/vienna/a')).to.include({ tag: 'device', device: 'a' })
    expect(several('lwt/a')).to.deep.equal({ tag: 'no-route' })
  })

  it('leave to dialects what they do not take: states before telemetry, the first dialect first', () => {
    const dialect = (name: string, topics: readonly string[], state?: string): RoutedDialect => {
      const patterns = topics.map(parseTopicPattern)
      return {
        topics: patterns,
        match: (topic) => patterns.map((pattern) => pattern.match(topic)).find((captures) => captures !== undefined),
        key: (topic, captures) => `${name}:${captures.device ?? topic}`,
        status:
          state === undefined
            ? undefined
            : {
                topic: parseTopicPattern(state),
                read: (payload, { device = '' }) => ({ device, state: payload.length > 0 ? 'ready' : 'lost' }),
              },
      }
    }
    const dialects = [dialect('one', ['z/{name...}'], 'z/{device}/availability'), dialect('two', ['z/x', 'devices/{device}/telemetry'])]
    const all = createRouter(parseRoutes(defaultRoutes), dialects)
    expect(all('devices/a/telemetry')).to.include({ tag: 'device', device: 'a' })
    expect(all('z/x')).to.deep.include({ tag: 'raw', identity: 'one:z/x' })
    const state = all('z/x/availability')
    expect(state).to.include({ tag: 'dialect-status', identity: 'one:x' })
    if (state.tag !== 'dialect-status') return
    expect(state.read(Buffer.from('online'))).to.deep.equal({ device: 'x', state: 'ready' })
    expect(dialectFilters(dialects)).to.deep.equal(['z/#', 'z/+/availability', 'z/x', 'devices/+/telemetry'])
  })

  it('cut a key that is longer than any name of a device or gateway', () => {
    const all = createRouter(parseRoutes([{ pattern: 'x/{all...}', carries: 'raw' }]))
    const found = all(`x/${'y'.repeat(60_000)}`)
    expect(found.tag === 'raw' && found.key.length).to.equal(256)
  })

  it('take what the broker says of itself for no message', () => {
    expect(route('$SYS/broker/publish/messages/dropped')).to.deep.equal({ tag: 'broker' })
    expect(route('$SYS/broker/uptime')).to.deep.equal({ tag: 'broker' })
  })

  it('remember nothing of what is no device: a stranger names as much as he likes', () => {
    const before = memoryKept().heapUsed
    for (let index = 0; index < 2_000; index++) {
      expect(route(`devices/${index}-${'x'.repeat(60_000)}/telemetry`).tag).to.equal('no-device')
      expect(route(`${index}${'/x'.repeat(30_000)}`).tag).to.equal('no-route')
    }
    expect(memoryKept().heapUsed - before).to.be.below(100e6)
  })

  it('forget when there are too many topics, and find the same again', () => {
    const small = createRouter(parseRoutes(defaultRoutes), [], 2)
    fc.assert(
      fc.property(fc.constantFrom('a', 'b', 'c', 'd'), (device) => {
        expect(small(`devices/${device}/telemetry`)).to.include({ tag: 'device', device })
      }),
    )
  })
})
