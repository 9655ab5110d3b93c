import { expect } from 'chai'
import fc from 'fast-check'
import { projectRoot } from '../../../schemas/files.ts'
import type { LiveReading, Series } from './messages.ts'

/** Modules of the browser that need no document. */
const load = async <Module>(name: string): Promise<Module> => (await import(`${projectRoot}ops/page/public/devices/${name}.js`)) as Module

interface Span {
  readonly from: number
  readonly to: number
  readonly follows: boolean
}
type Line = Record<'ts' | 'values' | 'min' | 'max', number[]>

const { lastOf, moved, zoomed, panned, between, spanText, spanOf } = await load<{
  lastOf(ms: number, now: number): Span
  moved(span: Span, now: number): Span
  zoomed(span: Span, factor: number, now: number, around?: number): Span
  panned(span: Span, share: number, now: number): Span
  between(from: number, to: number, now: number): Span
  spanText(span: Span): string
  spanOf(query: URLSearchParams, now: number, otherwise: number): Span
}>('span')
const { linesOf, addReading, dropBefore, gapAfter, plotted, summarised } = await load<{
  linesOf(series: readonly Series[]): Map<string, Line>
  addReading(lines: Map<string, Line>, reading: LiveReading, quantity: string): boolean
  dropBefore(lines: Map<string, Line>, before: number, most: number): void
  gapAfter(ts: readonly number[], everyMs: number | null): number
  plotted(lines: Map<string, Line>, ids: readonly string[], everyMs: number | null): (number | null | undefined)[][]
  summarised(line: Line, rows: number): readonly Record<'from' | 'to' | 'mean' | 'min' | 'max', number>[]
}>('lines')
const { spreadOf, outlier } = await load<{
  spreadOf(values: readonly number[]): { readonly median: number } | undefined
  outlier(value: number, spread: unknown, count: number): 'high' | 'low' | undefined
}>('outliers')
const { deviceAddress, listAddress, readAddress, ownerOf, channelOf } = await load<{
  deviceAddress(device: string, query?: string): string
  listAddress(filter: Readonly<Record<string, string>>): string
  readAddress(hash: string): { readonly name: string; readonly query: URLSearchParams }
  ownerOf(id: string): string
  channelOf(id: string, device: string): string
}>('address')

const NOW = Date.UTC(2026, 10, 30, 12)
const HOUR = 3_600_000

describe('the span that charts show', () => {
  it('moves on while it follows, and stays otherwise', () => {
    const last = lastOf(HOUR, NOW)
    expect(moved(last, NOW + 1_000).from).to.be.closeTo(last.from + 1_000, 1)
    const past = between(NOW - 5 * HOUR, NOW - 4 * HOUR, NOW)
    expect(moved(past, NOW + 1_000)).to.equal(past)
  })

  it('is zoomed around a time, which stays where it is; without one it goes on following', () => {
    const past = between(NOW - 10 * HOUR, NOW - 8 * HOUR, NOW)
    expect(zoomed(past, 0.5, NOW, NOW - 9.5 * HOUR)).to.deep.equal({ from: NOW - 9.75 * HOUR, to: NOW - 8.75 * HOUR, follows: false })
    expect(zoomed(lastOf(HOUR, NOW), 2, NOW)).to.deep.equal(lastOf(2 * HOUR, NOW))
  })

  it('goes back and forth, and follows again at its end', () => {
    const back = panned(lastOf(HOUR, NOW), -1, NOW)
    expect(back.follows).to.equal(false)
    expect(panned(back, 2, NOW)).to.include({ follows: true })
  })

  it('is in the address, and whatever else stands there is a usual one', () => {
    for (const span of [lastOf(HOUR, NOW), between(NOW - 5 * HOUR, NOW - 4 * HOUR, NOW)])
      expect(spanOf(new URLSearchParams(spanText(span)), NOW, 1)).to.deep.equal(span)
    for (const query of ['', 'last=x', 'last=-5', 'from=5&to=4', 'from=1&to=1e30', 'last=Infinity'])
      expect(spanOf(new URLSearchParams(query), NOW, HOUR), query).to.deep.equal(lastOf(HOUR, NOW))
  })

  it('is neither empty nor in the future, however it is moved', () => {
    const move = fc.record({ by: fc.double({ min: -3, max: 3, noNaN: true }), zoom: fc.boolean() })
    fc.assert(
      fc.property(fc.array(move, { maxLength: 30 }), (moves) => {
        let span = lastOf(HOUR, NOW)
        for (const { by, zoom } of moves) {
          span = zoom ? zoomed(span, 2 ** by, NOW, span.from + (span.to - span.from) * Math.abs(by % 1)) : panned(span, by, NOW)
          expect(span.to - span.from).to.be.within(4_900, 3_700 * 24 * HOUR * 1.03)
          expect(span.to).to.be.at.most(NOW + (span.to - span.from) * 0.021)
        }
      }),
    )
  })
})

describe('the lines of a chart', () => {
  const series = (deviceId: string, ts: readonly number[], more: Partial<Series> = {}): Series => ({
    deviceId,
    quantity: 'temperature',
    ts,
    values: ts.map((each) => each / 1000),
    min: [],
    max: [],
    ...more,
  })
  const reading = (ts: number, temperature: number, deviceId = 'a'): LiveReading => ({ deviceId, ts, values: { temperature } })

  it('take readings in any order, each time once', () => {
    fc.assert(
      fc.property(fc.array(fc.integer({ min: 0, max: 50 }), { maxLength: 60 }), (times) => {
        const lines = linesOf([series('a', [10, 20])])
        for (const time of times) expect(addReading(lines, reading(time, time * 2), 'temperature')).to.equal(true)
        const { ts, values } = lines.get('a') as Line
        expect(ts).to.deep.equal([...new Set([10, 20, ...times])].sort((a, b) => a - b))
        for (const time of times) expect(values[ts.indexOf(time)]).to.equal(time * 2)
      }),
    )
  })

  it('leave out what has no value of the quantity, and begin with a new channel', () => {
    const lines = linesOf([series('a', [10])])
    expect(addReading(lines, { deviceId: 'a', ts: 11, values: { humidity: 5 } }, 'temperature')).to.equal(false)
    expect(addReading(lines, reading(12, 34, 'a/brood'), 'temperature')).to.equal(true)
    expect([...lines.keys()]).to.deep.equal(['a', 'a/brood'])
  })

  it('have a gap where a device was silent for much longer than usual, and not where it sends rarely', () => {
    const minute = 60_000
    const often = Array.from({ length: 20 }, (_, at) => at * minute)
    expect(gapAfter(often, null)).to.equal(5 * minute)
    const [times, values] = plotted(linesOf([series('a', [...often, 60 * minute])]), ['a'], null)
    expect([values?.at(-2), values?.at(-1)]).to.deep.equal([null, 3_600])
    expect(times?.length).to.equal(22)
    const rarely = Array.from({ length: 20 }, (_, at) => at * 60 * minute)
    expect(plotted(linesOf([series('a', rarely)]), ['a'], null)[1]).to.not.include(null)
  })

  it('have a gap where a time bucket is missing, and a band between lowest and highest', () => {
    const lines = linesOf([series('a', [0, 60_000, 240_000], { min: [-1, -2, -3], max: [1, 2, 3] })])
    expect(plotted(lines, ['a'], 60_000)).to.deep.equal([
      [0, 60, 150, 240],
      [0, 60, null, 240],
      [-1, -2, null, -3],
      [1, 2, null, 3],
    ])
  })

  it('have a gap from point to point, also where another line has points within', () => {
    const bucket = { min: [1, 2], max: [1, 2] }
    const lines = linesOf([series('a', [0, 4_000], bucket), series('b', [1_000, 2_000, 3_000], { min: [1, 2, 3], max: [1, 2, 3] })])
    const [times, a, , , b] = plotted(lines, ['a', 'b'], 1_000)
    expect([times, a, b]).to.deep.equal([
      [0, 1, 2, 3, 4],
      [0, null, null, null, 4],
      [undefined, 1, 2, 3, undefined],
    ])
  })

  it('do not break where only another line has a point', () => {
    const lines = linesOf([series('a', [0, 2_000]), series('b', [1_000])])
    const [times, a, , , b] = plotted(lines, ['a', 'b'], null)
    expect([times, a, b]).to.deep.equal([
      [0, 1, 2],
      [0, undefined, 2],
      [undefined, 1, undefined],
    ])
  })

  it('forget what is out of sight, and keep no more than so many', () => {
    const lines = linesOf([series('a', [1, 2, 3, 4, 5], { min: [1, 2, 3, 4, 5], max: [1, 2, 3, 4, 5] })])
    dropBefore(lines, 2, 10)
    expect(lines.get('a')?.ts).to.deep.equal([2, 3, 4, 5])
    dropBefore(lines, 2, 2)
    expect(lines.get('a')).to.deep.include({ ts: [4, 5], min: [4, 5] })
    dropBefore(lines, 9, 2)
    expect(lines.get('a')?.ts).to.deep.equal([])
  })

  it('are a few rows for whoever cannot see them', () => {
    const [line] = linesOf([series('a', [0, 1_000, 2_000, 3_000, 4_000])]).values()
    expect(summarised(line as Line, 2)).to.deep.equal([
      { from: 0, to: 2_000, mean: 1, min: 0, max: 2 },
      { from: 3_000, to: 4_000, mean: 3.5, min: 3, max: 4 },
    ])
    expect(summarised({ ts: [], values: [], min: [], max: [] }, 2)).to.deep.equal([])
  })
})

describe('a device that is unlike the others', () => {
  const found = (values: readonly number[]) => values.map((value) => outlier(value, spreadOf(values), values.length))

  it('is far from the median, on either side; many that are far do not hide each other', () => {
    const hall = Array.from({ length: 40 }, (_, at) => 21 + (at % 10) / 10)
    expect(new Set(found(hall))).to.deep.equal(new Set([undefined]))
    expect(found([...hall, 34, 35, 36, 2]).slice(40)).to.deep.equal(['high', 'high', 'high', 'low'])
  })

  it('is no sensor that is a step away from others that are all equal, and none of a few', () => {
    expect(found([...Array.from({ length: 20 }, () => 21), 21.1, 25]).slice(20)).to.deep.equal([undefined, 'high'])
    expect(found([1, 2, 90])).to.deep.equal([undefined, undefined, undefined])
    expect(spreadOf([])).to.equal(undefined)
  })
})

describe('addresses of devices and sites', () => {
  it('hold any name', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary-ascii' }), (name) => {
        const { name: read, query } = readAddress(deviceAddress(name, 'last=5'))
        expect([read, query.get('last')]).to.deep.equal([name, '5'])
      }),
    )
    const hostile = `=cmd|'!A1 <img src=x onerror=alert(1)>?a=b#c%`
    expect(readAddress(deviceAddress(hostile)).name).to.equal(hostile)
  })

  it('take what somebody wrote by hand', () => {
    expect(readAddress('#devices')).to.include({ name: '' })
    expect(readAddress('#devices/100%')).to.include({ name: '100%' })
    expect(readAddress(listAddress({ search: 'a&b', state: '' })).query.toString()).to.equal('search=a%26b')
  })

  it('lead from a channel to its device', () => {
    expect([ownerOf('hive-7/brood'), channelOf('hive-7/brood', 'hive-7'), ownerOf('hive-7'), channelOf('hive-7', 'hive-7')]).to.deep.equal([
      'hive-7',
      'brood',
      'hive-7',
      '',
    ])
  })
})
