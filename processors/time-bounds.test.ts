import { expect } from 'chai'
import { MOST_DAYS, tooManyDays } from './time-bounds.ts'

const DAY = 86_400_000_000
const times = (count: number, each: (sample: number) => number): Float64Array =>
  Float64Array.from({ length: count }, (_, sample) => each(sample))

describe('the days that samples fall on', () => {
  it('may be a hundred, however many samples there are', () => {
    expect(
      tooManyDays(
        times(10_000, (sample) => (sample % MOST_DAYS) * DAY),
        new Uint8Array(10_000),
        10_000,
      ),
    ).to.equal(0)
    expect(
      tooManyDays(
        times(MOST_DAYS + 1, (sample) => sample * DAY),
        new Uint8Array(MOST_DAYS + 1),
        MOST_DAYS + 1,
      ),
    ).to.equal(MOST_DAYS + 1)
  })

  it('are few if there is just one far away, and do not count the samples that are left out', () => {
    expect(
      tooManyDays(
        times(50, (sample) => (sample === 0 ? 0 : 3_000 * DAY)),
        new Uint8Array(50),
        50,
      ),
    ).to.equal(0)
    const excluded = new Uint8Array(300).fill(1, 10)
    expect(
      tooManyDays(
        times(300, (sample) => sample * DAY),
        excluded,
        300,
      ),
    ).to.equal(0)
    expect(tooManyDays(new Float64Array(0), new Uint8Array(0), 0)).to.equal(0)
  })
})
