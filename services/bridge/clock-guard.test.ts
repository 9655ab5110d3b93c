import { setTimeout as delay } from 'node:timers/promises'
import { expect } from 'chai'
import type { Publish } from '../../connectors/contract.ts'
import { type ClockGuard, createClockGuard } from './clock-guard.ts'

const HOUR_MS = 3_600_000
const quiet = { info: () => undefined, warn: () => undefined, error: () => undefined }

describe("the bridge's clock", () => {
  /** What the others' clocks show. */
  const TRUE_MS = 1_795_406_400_000
  let stop: AbortController
  let nowMs: number
  let monotonicMs: number
  let kafkaMs: number | Error
  let databaseMs: number | Error
  let problems: (string | null)[]
  let handled: string[]
  let guard: ClockGuard
  let handler: (name: string) => Promise<void>

  const answer = async (ms: number | Error): Promise<number> => {
    if (ms instanceof Error) throw ms
    return ms + monotonicMs
  }

  beforeEach(() => {
    stop = new AbortController()
    nowMs = TRUE_MS
    monotonicMs = 0
    kafkaMs = TRUE_MS
    databaseMs = TRUE_MS
    problems = []
    handled = []
  })

  afterEach(() => stop.abort(new Error('the test is over')))

  const open = (): void => {
    guard = createClockGuard({
      references: [
        { name: 'Kafka', read: () => answer(kafkaMs) },
        { name: 'the database', read: () => answer(databaseMs) },
      ],
      log: quiet,
      signal: stop.signal,
      problem: (what) => problems.push(what),
      now: () => nowMs + monotonicMs,
      monotonic: () => monotonicMs,
    })
    const guarded = guard.guard(async (publishes) => {
      handled.push(...publishes.map(({ payload, receivedMs }) => `${payload.toString()} ${receivedMs - TRUE_MS}`))
    })
    const publish = (name: string): Publish => ({ topic: 'x', payload: Buffer.from(name), retain: false, receivedMs: nowMs + monotonicMs })
    handler = (name) => guarded([publish(name)])
  }
  const turn = (): Promise<void> => delay(5)
  /** While it is wrong it looks every second. */
  const nextLook = (): Promise<void> => delay(1_050)

  it('is trusted once somebody has said what time it is', async () => {
    open()
    void handler('a')
    expect(handled).to.deep.equal([])
    await turn()
    expect(handled).to.deep.equal(['a 0'])
    expect(problems).to.deep.equal([null])
    expect(guard.aheadOf('Kafka')).to.equal(0)
  })

  for (const [what, offMs, text] of [
    ['3 days slow', -72 * HOUR_MS, "this machine's clock is 3 d behind that of Kafka and 3 d behind that of the database"],
    ['30 days fast', 720 * HOUR_MS, "this machine's clock is 30 d ahead of that of Kafka and 30 d ahead of that of the database"],
    ['61 seconds slow', -61_000, 'is 1 min 1 s behind that of Kafka'],
  ] as const) {
    it(`keeps everything back while it is ${what}, says by how much, and goes on in order when it is right`, async function () {
      this.timeout(5_000)
      nowMs = TRUE_MS + offMs
      open()
      void handler('a')
      await turn()
      void handler('b')
      await turn()
      expect(handled).to.deep.equal([])
      expect(problems.at(-1)).to.include(text)
      nowMs = TRUE_MS
      // Whoever comes meanwhile does not overtake those who wait.
      void handler('c')
      await nextLook()
      expect(handled).to.deep.equal(['a 0', 'b 0', 'c 0'])
      expect(problems.at(-1)).to.equal(null)
      void handler('d')
      expect(handled.at(-1)).to.equal('d 0')
    })
  }

  it('may be a minute off', async () => {
    nowMs = TRUE_MS + 59_000
    open()
    await turn()
    void handler('a')
    expect(handled).to.deep.equal(['a 59000'])
  })

  it('is not believed from the moment that somebody sets it, whenever the next comparison is', async () => {
    open()
    await turn()
    monotonicMs += 5_000
    void handler('a')
    nowMs += 2 * HOUR_MS
    void handler('b')
    await turn()
    expect(handled).to.deep.equal(['a 5000'])
    expect(problems.at(-1)).to.include('2 h ahead')
  })

  it('is compared with the one that answers, and not used before one does', async function () {
    this.timeout(5_000)
    kafkaMs = new Error('away')
    databaseMs = new Error('away')
    open()
    void handler('a')
    await turn()
    expect(problems.at(-1)).to.include('Kafka and the database did not say yet what time it is')
    databaseMs = TRUE_MS
    await nextLook()
    expect(handled).to.deep.equal(['a 0'])
    expect(guard.aheadOf('Kafka')).to.be.NaN
  })

  it('lets go of what waits when the service ends', async () => {
    nowMs = 0
    open()
    const waiting = handler('a').catch((cause: unknown) => cause)
    stop.abort(new Error('the end'))
    expect(await waiting).to.have.property('message', 'the end')
  })
})
