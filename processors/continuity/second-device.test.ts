import { expect } from 'chai'
import { BootsInMemory } from './boots-in-memory.ts'
import { isOfSecondDevice } from './second-device.ts'

/** Frames in order of arrival: boot, number and second. How many tell of a second device. */
function signs(frames: readonly (readonly [number, number, number])[]): number {
  const memory = new BootsInMemory()
  return frames.filter(([boot, seq, at]) => isOfSecondDevice(memory.install('hive-a', boot, 0), seq, at * 1e6)).length
}

const fifty = Array.from({ length: 50 }, (_, seq) => seq)

describe('two devices with one ID are told from one device', () => {
  it('that reboots, and sends the backlog of its boots late and mixed with what is new', () => {
    const first = fifty.map((seq) => [1, seq, seq] as const)
    const mixed = fifty.flatMap((seq) => [[3, seq, 200 + seq] as const, [2, seq, 100 + seq] as const])
    const late = fifty.flatMap((seq) => [[1, 50 + seq, 50 + seq] as const, [3, 50 + seq, 250 + seq] as const])
    expect(signs([...first, ...mixed, ...late])).to.equal(0)
  })

  it('that had a wrong clock during one boot', () => {
    const frames = [...fifty.map((seq) => [1, seq, 10_000 + seq] as const), ...fifty.map((seq) => [2, seq, 9_990 + seq] as const)]
    expect(signs(frames)).to.equal(0)
  })

  it('by boots that take turns over the same time, even if one clock is late', () => {
    const frames = fifty.flatMap((seq) => [[7, 900 + seq, seq] as const, [3, seq, seq - 0.5] as const])
    expect(signs(frames)).to.be.greaterThan(40)
  })

  it('by one number with two times', () => {
    const frames = [
      [1, 0, 1],
      [1, 0, 2],
    ] as const
    expect(signs(frames)).to.equal(1)
  })
})
