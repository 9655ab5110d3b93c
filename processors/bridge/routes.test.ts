import { expect } from 'chai'
import fc from 'fast-check'
import { topics } from '../topics.ts'
import { createRouter, defaultRoutes, parseRoutes, type RouteConfig } from './routes.ts'

const config = (pattern: string): RouteConfig => ({ pattern, carries: 'frames', topic: topics.frames })

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
    'x{device}/a',
    '{device}/{kind}',
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

  it('take what the broker says of itself for no message', () => {
    expect(route('$SYS/broker/publish/messages/dropped')).to.deep.equal({ tag: 'broker' })
    expect(route('$SYS/broker/uptime')).to.deep.equal({ tag: 'broker' })
  })

  it('remember nothing of what is no device: a stranger names as much as he likes', () => {
    const before = process.memoryUsage().heapUsed
    for (let index = 0; index < 2_000; index++) {
      expect(route(`devices/${index}-${'x'.repeat(60_000)}/telemetry`).tag).to.equal('no-device')
      expect(route(`${index}${'/x'.repeat(30_000)}`).tag).to.equal('no-route')
    }
    expect(process.memoryUsage().heapUsed - before).to.be.below(100e6)
  })

  it('forget when there are too many topics, and find the same again', () => {
    const small = createRouter(parseRoutes(defaultRoutes), 2)
    fc.assert(
      fc.property(fc.constantFrom('a', 'b', 'c', 'd'), (device) => {
        expect(small(`devices/${device}/telemetry`)).to.include({ tag: 'device', device })
      }),
    )
  })
})
