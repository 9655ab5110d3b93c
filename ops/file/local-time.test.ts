import { expect } from 'chai'
import { zoneMoments } from './local-time.ts'

const iso = (moments: readonly number[]) => moments.map((ms) => new Date(ms).toISOString())

describe('a local time', () => {
  const vienna = zoneMoments('Europe/Vienna')

  it('is one moment on most days', () => {
    expect(iso(vienna(Date.UTC(2021, 5, 19, 14)))).to.deep.equal(['2021-06-19T12:00:00.000Z'])
    expect(iso(zoneMoments('Asia/Kathmandu')(Date.UTC(2021, 5, 19, 5, 45)))).to.deep.equal(['2021-06-19T00:00:00.000Z'])
  })

  it('is two in autumn, and none in spring', () => {
    expect(iso(vienna(Date.UTC(2026, 9, 25, 2, 30)))).to.deep.equal(['2026-10-25T00:30:00.000Z', '2026-10-25T01:30:00.000Z'])
    expect(vienna(Date.UTC(2026, 2, 29, 2, 30))).to.deep.equal([])
    expect(iso(vienna(Date.UTC(2026, 2, 29, 3)))).to.deep.equal(['2026-03-29T01:00:00.000Z'])
  })

  it('is of a zone that there is', () => {
    expect(() => zoneMoments('Middle/Earth')).to.throw(RangeError)
  })
})
