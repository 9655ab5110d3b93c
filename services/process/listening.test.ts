import { expect } from 'chai'
import type { Topic } from '../../processors/contract.ts'
import { Listening } from './listening.ts'

const frames = 'telemetry.frames' as Topic
const readings = 'telemetry.readings' as Topic
const pulse = 'millrace.pulse' as Topic

class Line {
  nowMs = 0
  readonly ends = new Map<Topic, bigint>([
    [frames, 0n],
    [readings, 0n],
    [pulse, 1n],
  ])
  standardised = 0n
  handled = 0n
  readonly listening = new Listening({
    logs: { extents: async (topic) => [{ partition: 0, earliest: 0n, end: this.ends.get(topic) ?? 0n }] },
    upstream: async () => [{ topic: frames, positions: async () => new Map([[0, this.standardised]]) }],
    own: { topic: readings, positions: async () => new Map([[0, this.handled]]) },
    pulse,
    monotonicMs: () => this.nowMs,
  })

  /** The bridge runs: it gives a sign, and forwards frames. */
  bridge(count = 1): void {
    this.ends.set(frames, (this.ends.get(frames) ?? 0n) + BigInt(count))
    this.ends.set(pulse, (this.ends.get(pulse) ?? 0n) + 1n)
  }

  standardise(): void {
    const count = (this.ends.get(frames) ?? 0n) - this.standardised
    this.standardised += count
    this.ends.set(readings, (this.ends.get(readings) ?? 0n) + count)
  }

  look(): Promise<number | undefined> {
    this.nowMs += 5_000
    return this.listening.look()
  }
}

describe('whether a process hears all that the bridge received', () => {
  it('is so while all services follow, though something is always under way', async () => {
    const line = new Line()
    for (let turn = 0; turn < 20; turn++) {
      line.bridge()
      const behind = await line.look()
      if (turn > 2) expect(behind).to.be.most(20)
      line.handled = line.ends.get(readings) ?? 0n
      line.standardise()
    }
  })

  it('is not known while a backlog waits, and not so after 90 s, though the topic of the process is empty', async () => {
    const line = new Line()
    const seen: (number | undefined)[] = []
    for (let turn = 0; turn < 25; turn++) {
      line.bridge()
      seen.push(await line.look())
    }
    expect(seen[10]).to.equal(undefined)
    expect(seen.at(-1)).to.equal(Number.POSITIVE_INFINITY)
    // What was standardised a moment ago is not handled yet.
    line.standardise()
    expect(await line.look()).to.equal(Number.POSITIVE_INFINITY)
    line.handled = line.ends.get(readings) ?? 0n
    await line.look()
    expect(await line.look()).to.be.most(10)
  })

  it('is not so while the bridge gives no sign', async () => {
    const line = new Line()
    line.bridge()
    for (let turn = 0; turn < 18; turn++) {
      line.standardise()
      line.handled = line.ends.get(readings) ?? 0n
      await line.look()
    }
    line.nowMs += 90_000
    expect(await line.look()).to.equal(Number.POSITIVE_INFINITY)
    line.bridge(0)
    expect(await line.look()).to.equal(0)
  })
})
