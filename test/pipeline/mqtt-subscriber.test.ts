import { execFileSync } from 'node:child_process'
import { randomUUID } from 'node:crypto'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect } from 'chai'
import type { MqttClient } from 'mqtt'
import type { Log, Publish } from '../../connectors/contract.ts'
import type { WantedFilters } from '../../connectors/mqtt/session-filters.ts'
import type { SubscriberLimits } from '../../connectors/mqtt/session-options.ts'
import { createSubscriber, type Subscriber } from '../../connectors/mqtt/subscriber.ts'
import type { TlsFiles } from '../../connectors/tls-files.ts'
import { type MqttProxy, openMqttProxy } from './mqtt-proxy.ts'
import { testBroker, testPublisher } from './stack-clients.ts'

const { url: brokerUrl, tls: trusted, user } = testBroker()

/** A call of the handler that waits until the test lets it go. */
interface Call {
  readonly payloads: readonly string[]
  resolve(): void
  reject(error: Error): void
}

describe('MQTT subscriber, on a real broker', function () {
  this.timeout(30_000)

  let publisher: MqttClient
  let proxy: MqttProxy
  let topic: string
  let clientId: string
  let calls: Call[]
  let warnings: string[]
  let open: Subscriber[]

  beforeEach(async () => {
    publisher = await testPublisher()
    proxy = await openMqttProxy(brokerUrl)
    const name = randomUUID()
    topic = `devices/${name}/telemetry`
    clientId = `test-${name}`
    calls = []
    warnings = []
    open = []
  })

  afterEach(async () => {
    for (const call of calls) call.resolve()
    for (const each of open) await each[Symbol.asyncDispose]()
    await proxy[Symbol.asyncDispose]()
    await publisher.endAsync()
    // Leave no session behind: a clean start with no expiry ends it.
    await (await testPublisher({ clientId, clean: true })).endAsync()
  })

  const log: Log = {
    info() {},
    warn: (message) => warnings.push(message),
    error: (message) => warnings.push(message),
  }

  async function subscribe(
    limits: Partial<SubscriberLimits> = {},
    settle: 'at once' | 'by hand' = 'by hand',
    filters: WantedFilters = { required: [topic], optional: [], everything: false },
  ): Promise<Subscriber> {
    const subscriber = createSubscriber({
      ...user,
      ...(trusted === undefined ? {} : { tls: trusted }),
      url: proxy.url,
      clientId,
      filters,
      log,
      limits: { reconnect: { baseMs: 50, maxMs: 200 }, drainMs: 300, ...limits },
      handler: (publishes: readonly Publish[]) =>
        new Promise<void>((resolve, reject) => {
          calls.push({ payloads: publishes.map(({ payload }) => payload.toString()), resolve, reject })
          if (settle === 'at once') resolve()
        }),
    })
    open.push(subscriber)
    await until(() => subscriber.state.tag === 'connected')
    return subscriber
  }

  const publish = async (from: number, to: number, qos: 0 | 1 = 1): Promise<void> => {
    await Promise.all(range(from, to).map((payload) => publisher.publishAsync(topic, payload, { qos })))
  }
  const received = (): string[] => calls.flatMap(({ payloads }) => payloads)
  const lastCall = (): Call => calls[calls.length - 1] as Call

  it('hands messages over in the order published and acknowledges every one', async () => {
    const subscriber = await subscribe({}, 'at once')
    await publish(0, 3_000)
    await until(() => subscriber.counters().pubacks === 3_000)
    expect(received()).to.deep.equal(range(0, 3_000))
    expect(subscriber.counters()).to.include({ publishes: 3_000, connections: 1, outstandingPublishes: 0, outstandingBytes: 0 })
  })

  it('acknowledges nothing before the handler has resolved, and gets it again after a lost connection', async () => {
    const subscriber = await subscribe({ receiveMaximum: 5 })
    await publish(0, 10)
    await until(() => received().length === 5)
    await pause(100)
    expect(subscriber.counters().pubacks).to.equal(0)
    // What came on a lost connection is outstanding until its handler is done, and with too much
    // outstanding nothing is read. So one read may bring less than five, and then the other ones,
    // the end of the connection too, wait for the handlers of the lost connection.
    const again = async (from: number, to: number): Promise<void> => {
      const lost = calls.splice(0)
      proxy.reset()
      await until(() => received().length > 0)
      for (const call of lost) call.resolve()
      await until(() => received().length === to - from)
      expect(received()).to.deep.equal(range(from, to))
    }
    await again(0, 5)
    expect(subscriber.counters().pubacks).to.equal(0)
    for (const call of calls) call.resolve()
    // A PUBACK that is written may be lost with its connection. The broker sends the other five once
    // it has read those of the first.
    await until(() => received().length === 10)
    expect(subscriber.counters().pubacks).to.equal(5)
    calls.splice(
      0,
      calls.findIndex(({ payloads }) => payloads.includes('5')),
    )
    await again(5, 10)
  })

  it('takes a message once that two of its subscriptions match, and changes them without a new connection', async () => {
    const name = randomUUID()
    const on = (...optional: string[]) => ({ required: [topic], optional, everything: false })
    const subscriber = await subscribe({}, 'at once', on(`${name}/+`, `+/${name}`))
    const both = `${name}/${name}`
    for (const payload of range(0, 100)) await publisher.publishAsync(both, payload, { qos: 1 })
    await until(() => subscriber.counters().pubacks === 200)
    expect(received()).to.deep.equal(range(0, 100))
    expect(subscriber.counters()).to.include({ copies: 100, connections: 1 })
    // A filter goes, while messages come on both.
    const publishing = Promise.all(range(100, 300).map((payload) => publisher.publishAsync(both, payload, { qos: 1 })))
    await subscriber.change(on(`+/${name}`, `late/${name}/#`))
    await publishing
    await publisher.publishAsync(`late/${name}/x`, '300', { qos: 1 })
    await publisher.publishAsync(`${name}/gone`, 'gone', { qos: 1 })
    await until(() => received().includes('300'))
    expect([...new Set(received())]).to.deep.equal(range(0, 301))
    expect(subscriber.counters().connections).to.equal(1)
  })

  it('subscribes to everything in place of its filters, and again to them, and misses nothing between', async () => {
    const subscriber = await subscribe({}, 'at once')
    const everything = { required: [topic], optional: [], everything: true }
    const publishing = publish(0, 500)
    await subscriber.change(everything)
    await publishing
    const other = `elsewhere/${randomUUID()}`
    await publisher.publishAsync(other, 'other', { qos: 1 })
    await publish(500, 600)
    await until(() => received().includes('other') && received().includes('599'))
    // What other tests left retained comes too.
    const before = received().filter((payload) => /^\d+$/.test(payload))
    expect([...new Set(before)]).to.deep.equal(range(0, 600))
    expect(before.filter((payload) => Number(payload) >= 500)).to.have.length(100)
    await subscriber.change({ ...everything, everything: false })
    await publisher.publishAsync(other, 'unheard', { qos: 1 })
    await publish(600, 700)
    await until(() => received().includes('699'))
    expect(received()).to.not.include('unheard')
  })

  it('sends no acknowledgement on a new connection for what came on an old one', async () => {
    const subscriber = await subscribe()
    await publish(0, 1)
    await until(() => calls.length === 1)
    proxy.reset()
    // The broker keeps the packet identifier for the second delivery, so a stray PUBACK would
    // count.
    await until(() => calls.length === 2)
    calls[0]?.resolve()
    await pause(200)
    expect(subscriber.counters().pubacks).to.equal(0)
    proxy.reset()
    await until(() => calls.length === 3)
    expect(lastCall().payloads).to.deep.equal(['0'])
  })

  it('acknowledges in the order received when a later batch is done first', async () => {
    const subscriber = await subscribe()
    await publish(0, 1)
    await until(() => calls.length === 1)
    await publish(1, 2)
    await until(() => calls.length === 2)
    calls[1]?.resolve()
    await pause(100)
    expect(subscriber.counters().pubacks).to.equal(0)
    calls[0]?.resolve()
    await until(() => subscriber.counters().pubacks === 2)
  })

  it('is sent no more than the receive maximum ahead of its acknowledgements', async () => {
    const subscriber = await subscribe({ receiveMaximum: 10 })
    await publish(0, 100)
    await until(() => received().length === 10)
    await pause(200)
    expect(received()).to.have.length(10)
    while (received().length < 100) {
      for (const call of calls) call.resolve()
      await pause(5)
    }
    for (const call of calls) call.resolve()
    await until(() => subscriber.counters().pubacks === 100)
    expect(received()).to.deep.equal(range(0, 100))
  })

  it('stops reading a flood of QoS 0 while the handler is stuck, keeps the session alive meanwhile, and goes on', async () => {
    const subscriber = await subscribe({ keepaliveSeconds: 1, outstandingBytes: 200_000 })
    const payload = Buffer.alloc(1_000, 'x')
    for (let index = 0; index < 2_000; index++) publisher.publish(topic, payload, { qos: 0 })
    await until(() => subscriber.counters().outstandingBytes >= 200_000)
    await pause(3_500)
    expect(subscriber.counters().outstandingBytes).to.be.below(300_000)
    expect(subscriber.counters().connections).to.equal(1)
    while (received().length < 2_000) {
      for (const call of calls) call.resolve()
      await pause(5)
    }
    expect(warnings).to.deep.equal([])
  })

  it('takes payloads of a megabyte, and as many as there are', async () => {
    const subscriber = await subscribe({ outstandingBytes: 3_000_000 }, 'at once')
    const payload = Buffer.alloc(1_000_000, 'y').toString()
    await Promise.all(range(0, 20).map(() => publisher.publishAsync(topic, payload, { qos: 1 })))
    await until(() => subscriber.counters().pubacks === 20)
    expect(received().every((text) => text === payload)).to.equal(true)
  })

  it('stays connected without messages, and with messages only, for longer than the keepalive', async () => {
    const subscriber = await subscribe({ keepaliveSeconds: 1 }, 'at once')
    await pause(2_500)
    for (let index = 0; index < 25; index++) {
      await publish(index, index + 1)
      await pause(100)
    }
    expect(subscriber.counters()).to.include({ connections: 1, pubacks: 25 })
    expect(warnings).to.deep.equal([])
  })

  it('notices a half-open connection by its keepalive and gets what was not acknowledged on the next', async () => {
    const subscriber = await subscribe({ keepaliveSeconds: 1 })
    await publish(0, 1)
    await until(() => calls.length === 1)
    proxy.stall()
    await publish(1, 2)
    await until(() => received().length === 3)
    expect(received()).to.deep.equal(['0', '0', '1'])
    expect(subscriber.counters().connections).to.equal(2)
    expect(warnings).to.include('MQTT connection lost')
  })

  it('reconnects when the handler rejects, so that the broker sends the messages again', async () => {
    const subscriber = await subscribe()
    await publish(0, 1)
    await until(() => calls.length === 1)
    lastCall().reject(new Error('a defect'))
    await until(() => calls.length === 2)
    lastCall().resolve()
    await until(() => subscriber.counters().pubacks === 1)
    expect(subscriber.counters().connections).to.equal(2)
  })

  it('waits at disposal for what is outstanding and acknowledges it: the next session does not get it again', async () => {
    const subscriber = await subscribe({ drainMs: 5_000 })
    await publish(0, 10)
    await until(() => received().length === 10)
    const stopped = subscriber[Symbol.asyncDispose]()
    await pause(100)
    for (const call of calls) call.resolve()
    await stopped
    expect(subscriber.counters().pubacks).to.equal(10)
    expect(subscriber.state.tag).to.equal('stopped')
    calls.length = 0
    await subscribe({}, 'at once')
    await publish(10, 11)
    await until(() => received().length > 0)
    expect(received()).to.deep.equal(['10'])
  })

  it('leaves what is not done by the deadline to the next session', async () => {
    const subscriber = await subscribe({ drainMs: 50 })
    await publish(0, 3)
    await until(() => received().length === 3)
    await subscriber[Symbol.asyncDispose]()
    calls.length = 0
    await publish(3, 5)
    await subscribe({}, 'at once')
    await until(() => received().length === 5)
    expect(received()).to.deep.equal(range(0, 5))
  })

  it('speaks TLS, refuses a certificate that it was not told to trust, and reads at each connection whom to trust', async () => {
    const certificate = selfSigned()
    const folder = mkdtempSync(join(tmpdir(), 'millrace-mqtt-tls-'))
    const caFile = join(folder, 'ca.pem')
    writeFileSync(caFile, selfSigned().cert)
    const tlsProxy = await openMqttProxy(brokerUrl, certificate)
    const receivedOverTls: string[] = []
    const start = (files: TlsFiles): Subscriber =>
      createSubscriber({
        ...user,
        url: tlsProxy.url,
        tls: files,
        clientId,
        filters: { required: [topic], optional: [], everything: false },
        log: { ...log, warn: (_message, fields) => warnings.push(String(fields?.error)) },
        handler: async (publishes) => void receivedOverTls.push(...publishes.map(({ payload }) => payload.toString())),
      })
    const distrustful = start({})
    await until(() => warnings.some((warning) => /self-signed/.test(warning)))
    await distrustful[Symbol.asyncDispose]()
    expect(distrustful.counters().connections).to.equal(0)
    warnings.length = 0
    const trusting = start({ caFile })
    await until(() => warnings.some((warning) => /self-signed/.test(warning)))
    rmSync(caFile)
    await until(() => warnings.some((warning) => /ca\.pem.*ENOENT/.test(warning)))
    writeFileSync(caFile, certificate.cert)
    await until(() => trusting.state.tag === 'connected')
    await publish(0, 500)
    await until(() => trusting.counters().pubacks === 500)
    expect(receivedOverTls).to.deep.equal(range(0, 500))
    await trusting[Symbol.asyncDispose]()
    rmSync(folder, { recursive: true })
    await tlsProxy[Symbol.asyncDispose]()
  })

  it('marks retained messages only where they come out of the store', async () => {
    const flags: boolean[] = []
    const statusTopic = topic.replace('telemetry', 'status')
    await publisher.publishAsync(statusTopic, 'old', { qos: 1, retain: true })
    const subscriber = createSubscriber({
      ...user,
      ...(trusted === undefined ? {} : { tls: trusted }),
      url: proxy.url,
      clientId,
      filters: { required: [statusTopic], optional: [], everything: false },
      log,
      limits: { receiveMaximum: 1 },
      handler: async (publishes) => void flags.push(...publishes.map(({ retain }) => retain)),
    })
    open.push(subscriber)
    await until(() => flags.length === 1)
    await publisher.publishAsync(statusTopic, 'live', { qos: 1, retain: true })
    await publisher.publishAsync(statusTopic, 'last', { qos: 1, retain: true })
    await until(() => flags.length === 3)
    expect(flags).to.deep.equal([true, false, false])
    proxy.reset()
    await until(() => subscriber.counters().connections === 2 && subscriber.state.tag === 'connected')
    await pause(200)
    // The last one may come again, if its PUBACK was lost with the connection: as it came first.
    expect(flags.slice(3)).not.to.include(true)
    await publisher.publishAsync(statusTopic, '', { qos: 1, retain: true })
  })
})

/** A key and a certificate for 127.0.0.1, made for this run. */
function selfSigned(): { readonly key: string; readonly cert: string } {
  const request = 'req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -keyout - -days 1 -subj /CN=test -addext'
  const pem = execFileSync('openssl', [...request.split(' '), 'subjectAltName=IP:127.0.0.1'], { encoding: 'utf8', stdio: 'pipe' })
  const certificate = pem.indexOf('-----BEGIN CERTIFICATE')
  return { key: pem.slice(0, certificate), cert: pem.slice(certificate) }
}

function range(from: number, to: number): string[] {
  return Array.from({ length: to - from }, (_, index) => String(from + index))
}

function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms))
}

async function until(condition: () => boolean): Promise<void> {
  const deadline = Date.now() + 15_000
  while (!condition()) {
    if (Date.now() > deadline) throw new Error(`not within 15 s: ${condition.toString()}`)
    await pause(5)
  }
}
