import { expect } from 'chai'
import type { DeadLetter } from './dead-letter.ts'
import { receiptOf } from './receipt.ts'

const NOW_MS = 1_795_406_400_000
const HOUR_MS = 3_600_000
const deadLetter = (sourceAgeHours: number, failedAgeHours: number, reason = 'time-out-of-range'): DeadLetter =>
  ({
    source_timestamp: NOW_MS - sourceAgeHours * HOUR_MS,
    first_failed: NOW_MS - failedAgeHours * HOUR_MS,
    reason,
  }) as DeadLetter

describe('when a redriven record was received', () => {
  const cases: readonly (readonly [string, DeadLetter, string | undefined, 'receipt' | 'now'])[] = [
    ['it failed at once: the clock of the device was wrong', deadLetter(48, 48), undefined, 'receipt'],
    ['it failed at once, and somebody says that the clock was fixed', deadLetter(48, 48), 'time-out-of-range', 'now'],
    ['it failed three days after: the clock of the bridge was slow', deadLetter(73, 1), undefined, 'now'],
    ['it failed before: the clock of the bridge was fast, and it is not yet that time', deadLetter(-720, 1), undefined, 'now'],
    ['it failed before: the clock of the bridge was fast', deadLetter(1, 2), undefined, 'now'],
    ['it waited for half a day', deadLetter(13, 1), undefined, 'receipt'],
    ['something else is wrong with it, and it waited for three days', deadLetter(73, 1, 'unknown-device'), undefined, 'receipt'],
    ['something else is wrong with it, and it is not yet that time', deadLetter(-720, 1, 'unknown-device'), undefined, 'now'],
  ]
  for (const [what, given, chosen, expected] of cases) {
    it(`is ${expected === 'now' ? 'now' : 'its receipt'} if ${what}`, () => {
      expect(receiptOf(given, NOW_MS, chosen)).to.equal(expected === 'now' ? NOW_MS : given.source_timestamp)
    })
  }
})
