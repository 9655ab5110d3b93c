import { expect } from 'chai'
import type { Publish, PublishHandler, RecordProducer } from '../../connectors/contract.ts'
import { BridgeCounters } from '../../processors/bridge/counters.ts'
import { createEstimatedTimes } from '../../processors/bridge/estimated-times.ts'
import { createRouter, defaultRoutes, parseRoutes } from '../../processors/bridge/routes.ts'
import { createStatusEncoder } from '../../processors/bridge/status.ts'
import { UnknownTopics } from '../../processors/bridge/unknown-topics.ts'
import type { OutgoingRecord } from '../../processors/contract.ts'
import { createDeadLetterCodec } from '../../processors/dead-letter.ts'
import { readSchema } from '../../schemas/files.ts'
import { RawWriter } from '../../schemas/raw-writer.ts'
import { createBridge } from './handler.ts'

const FINGERPRINT = '0123456789abcdef'
const LATE_FINGERPRINT = 'fedcba9876543210'

describe('bridge service', () => {
  let sent: OutgoingRecord[]
  let settle: { resolve(): void; reject(cause: Error): void }[]
  let ids: ReadonlyMap<string, number>
  let registered: ReadonlyMap<string, number>
  let refreshes: number
  let letRefresh: () => void
  let unansweredMs: number
  let warnings: string[]
  let unknownWaitMs: number
  let counters: BridgeCounters
  let bridge: PublishHandler
  let open: () => PublishHandler

  beforeEach(() => {
    sent = []
    settle = []
    ids = new Map([[FINGERPRINT, 1]])
    registered = ids
    refreshes = 0
    unansweredMs = 0
    warnings = []
    unknownWaitMs = 1_000
    let released: (() => void) | undefined
    letRefresh = () => released?.()
    counters = new BridgeCounters()
    const producer: RecordProducer = {
      send: (records) => {
        sent.push(...records)
        return new Promise((resolve, reject) => settle.push({ resolve, reject }))
      },
      async [Symbol.asyncDispose]() {},
    }
    open = () =>
      createBridge({
        directory: {
          fingerprints: () => ids,
          refresh: async () => {
            refreshes++
            await new Promise<void>((resolve) => {
              released = resolve
            })
            ids = registered
          },
          unansweredMs: () => unansweredMs,
        },
        producer,
        forwarding: {
          route: createRouter(parseRoutes(defaultRoutes)),
          status: createStatusEncoder(readSchema('device-status').json, 2),
          codec: createDeadLetterCodec(readSchema('dead-letter').json, 3),
          payloadBytes: 65_536,
          deadLetterBytes: 2_000_000,
          version: '1',
          unknownTopics: new UnknownTopics(),
          keepUnknown: true,
          raw: new RawWriter(4),
          rawBytes: 900_000,
          receipts: createEstimatedTimes(),
          keptDeadLetters: { deadLetters: 2, bytes: 1000, totalBytes: 10_000, windowMs: 60_000 },
          counters,
        },
        unknownWaitMs,
        log: { info: () => undefined, warn: (message) => warnings.push(message), error: () => undefined },
      })
    bridge = open()
  })

  const frame = (datum: string, fingerprint = FINGERPRINT, device = 'a'): Publish => ({
    topic: `devices/${device}/telemetry`,
    payload: Buffer.concat([Buffer.from(`c301${fingerprint}`, 'hex'), Buffer.from(datum)]),
    retain: false,
    receivedMs: 1,
  })
  const data = (): string[] => sent.map(({ topic, value }) => (topic === 'telemetry.frames' ? value.toString('utf8', 5) : topic))
  const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve))

  it('resolves when Kafka has acknowledged, and not before', async () => {
    let done = false
    const handled = bridge([frame('x')]).then(() => {
      done = true
    })
    await turn()
    expect(data()).to.deep.equal(['x'])
    expect(done).to.equal(false)
    settle[0]?.resolve()
    await handled
  })

  it('sends a second batch while the first is not acknowledged yet', async () => {
    void bridge([frame('x')])
    void bridge([frame('y')])
    await turn()
    expect(data()).to.deep.equal(['x', 'y'])
  })

  it('asks nothing of Kafka if there is nothing to send', async () => {
    await bridge([{ ...frame('x'), topic: 'devices/a/status', payload: Buffer.alloc(0) }])
    expect(settle).to.have.length(0)
  })

  it('reads the registry again for an unknown fingerprint, and keeps what its device sends meanwhile behind it', async () => {
    registered = new Map([...ids, [LATE_FINGERPRINT, 5]])
    void bridge([frame('1'), frame('2', LATE_FINGERPRINT), frame('3')])
    void bridge([frame('4')])
    void bridge([frame('5', LATE_FINGERPRINT)])
    await turn()
    expect(data()).to.deep.equal(['1'])
    letRefresh()
    await turn()
    expect(data()).to.deep.equal(['1', '2', '3', '4', '5'])
    expect(refreshes).to.equal(1)
    void bridge([frame('6')])
    expect(data()).to.include('6')
    expect(counters.parked).to.equal(4)
  })

  it('does not hold up one device for the fingerprint of another', async () => {
    void bridge([frame('1', LATE_FINGERPRINT), frame('2', FINGERPRINT, 'b'), frame('3'), frame('4', FINGERPRINT, 'c')])
    void bridge([frame('5', FINGERPRINT, 'b')])
    await turn()
    expect(data()).to.deep.equal(['2', '4', '5'])
    letRefresh()
    await turn()
    expect(data()).to.deep.equal(['2', '4', '5', 'bridge.dead', '3'])
  })

  it('makes a dead letter of what is still unknown, in its place, and names it once in the log', async () => {
    void bridge([frame('1'), frame('2', LATE_FINGERPRINT), frame('3')])
    await turn()
    letRefresh()
    await turn()
    expect(data()).to.deep.equal(['1', 'bridge.dead', '3'])
    void bridge([frame('4', LATE_FINGERPRINT)])
    await turn()
    letRefresh()
    await turn()
    expect(counters.dead['unknown-fingerprint']).to.equal(2)
    expect(warnings).to.deep.equal(['the registry does not know a fingerprint'])
  })

  it('makes a dead letter after the deadline if the registry does not answer', async () => {
    unknownWaitMs = 30
    bridge = open()
    const handled = bridge([frame('1', LATE_FINGERPRINT), frame('2')])
    await new Promise((resolve) => setTimeout(resolve, 60))
    expect(data()).to.deep.equal(['bridge.dead', '2'])
    settle[0]?.resolve()
    await handled
  })

  it('does not wait for a registry that has not answered for as long as the deadline', async () => {
    unansweredMs = 1_000
    void bridge([frame('1', LATE_FINGERPRINT), frame('2')])
    await turn()
    expect(data()).to.deep.equal(['bridge.dead', '2'])
    expect(refreshes).to.equal(0)
  })

  it('lets a device that always sends what nobody knows make the others wait for a share of the time only', async () => {
    unknownWaitMs = 100
    bridge = open()
    const first = bridge([frame('1', LATE_FINGERPRINT)])
    while (sent.length === 0) await turn()
    const second = bridge([frame('2', '0000000000000000'), frame('3')])
    await turn()
    expect(data()).to.deep.equal(['bridge.dead', 'bridge.dead', '3'])
    // Another one may still wait.
    const other = bridge([frame('4', '0000000000000000', 'b')])
    await turn()
    expect(data()).to.have.length(3)
    letRefresh()
    while (sent.length === 3) await turn()
    for (const { resolve } of settle) resolve()
    await Promise.all([first, second, other])
  })

  it('parks no more than a thousand messages of a device: then what is unknown waits no longer', async () => {
    void bridge([frame('0', LATE_FINGERPRINT), ...Array.from({ length: 999 }, (_, index) => frame(String(index + 1)))])
    await turn()
    expect(sent).to.have.length(0)
    void bridge([frame('1000')])
    await turn()
    expect(data()).to.deep.equal(['bridge.dead', ...Array.from({ length: 1_000 }, (_, index) => String(index + 1))])
  })

  for (const [when, fingerprint] of [
    ['at once', FINGERPRINT],
    ['after reading the registry again', LATE_FINGERPRINT],
  ] as const) {
    it(`rejects if the producer does, ${when}, so that nothing is acknowledged; what follows is not held up`, async () => {
      const failure = new Error('refused')
      const outcome = bridge([frame('x', fingerprint)]).catch((cause: unknown) => cause)
      await turn()
      letRefresh()
      await turn()
      settle[0]?.reject(failure)
      expect(await outcome).to.equal(failure)
      const next = bridge([frame('y')])
      await turn()
      settle[1]?.resolve()
      await next
    })
  }
})
