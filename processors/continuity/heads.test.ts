import { expect } from 'chai'
import fc from 'fast-check'
import { MalformedError } from '../../schemas/frame-reader.ts'
import { ReadingsWriter } from '../../schemas/readings-writer.ts'
import { FrameHead, ReadingsHead } from './heads.ts'

const int = fc.nat({ max: 0x7fffffff })

function readings({ firmware = 'hive-1', boot = 1, seq = 2, dropped = 0, ts = [5_000_000], timeEstimated = false }): Buffer {
  const none = new Float64Array(ts.length).fill(-1)
  return new ReadingsWriter(7).write({
    deviceId: Buffer.from('hive-a'),
    firmware: Buffer.from(firmware),
    boot,
    seq,
    dropped,
    count: ts.length,
    ts: Float64Array.from(ts),
    timeEstimated,
    account: none,
    site: none,
    values: [],
    excluded: new Uint8Array(ts.length),
  })
}

function varints(numbers: readonly number[]): Buffer {
  const bytes: number[] = []
  for (const number of numbers) {
    let rest = number * 2
    for (; rest > 127; rest = Math.floor(rest / 128)) bytes.push((rest % 128) + 128)
    bytes.push(rest)
  }
  return Buffer.from(bytes)
}

describe('heads', () => {
  const head = new ReadingsHead()

  it('of readings are what was written', () => {
    fc.assert(
      fc.property(int, int, int, fc.array(fc.nat({ max: 4e15 }), { maxLength: 300 }), (boot, seq, dropped, ts) => {
        head.read(readings({ boot, seq, dropped, ts }))
        expect(head).to.include({ boot, seq, dropped, samples: ts.length, numbered: true })
        expect(head.firstSample).to.deep.equal(ts[0] ?? Number.NaN)
      }),
    )
  })

  it('of readings have no time where it was only estimated', () => {
    head.read(readings({ timeEstimated: true }))
    expect(head.firstSample).to.deep.equal(Number.NaN)
  })

  it("of a JSON device's readings have no number", () => {
    head.read(readings({ firmware: 'generic-json' }))
    expect(head.numbered).to.equal(false)
    head.read(readings({ firmware: 'generic-jsox' }))
    expect(head.numbered).to.equal(true)
  })

  it('of a message that a dialect translated have no number', () => {
    head.read(readings({ firmware: 'tasmota@3', boot: 0, seq: 0 }))
    expect(head.numbered).to.equal(false)
    head.read(readings({ firmware: 'tasmota-3', boot: 0, seq: 0 }))
    expect(head.numbered).to.equal(true)
  })

  it('of readings that are cut off are refused', () => {
    const record = readings({})
    for (let length = 0; length < 5 + 7 + 7 + 4; length++) expect(() => head.read(record.subarray(0, length))).to.throw(MalformedError)
  })

  it('of frames are read past clock and base', () => {
    const frame = new FrameHead()
    fc.assert(
      fc.property(int, int, int, fc.nat({ max: 4e12 }), (boot, seq, dropped, base) => {
        frame.read(varints([boot, seq, 0, base, dropped, 99]), 0)
        expect(frame).to.include({ boot, seq, dropped })
      }),
    )
  })

  it('of frames are refused where they are nothing that a device numbers', () => {
    expect(() => new FrameHead().read(varints([1, 2 ** 31, 0, 0, 0]), 0)).to.throw(MalformedError, 'seq 2147483648')
    expect(() => new FrameHead().read(Buffer.from([2, 3, 0, 0, 0]), 0)).to.throw(MalformedError, 'seq -2')
  })
})
