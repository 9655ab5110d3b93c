import { expect } from 'chai'
import { ManualClock } from '../../test/memory/manual-clock.ts'
import { CommitPacing } from './pacing.ts'

describe('when the store commits', () => {
  let clock: ManualClock
  let commits: number
  let pacing: CommitPacing
  const filled = (rows: number) => ({ rows, bytes: 0, dayCount: 1 })

  beforeEach(() => {
    clock = new ManualClock()
    commits = 0
    pacing = new CommitPacing({ mostRows: () => 100, batchMs: 200, clock, commit: () => void commits++ })
  })

  it('is after a while, counted from what came first', async () => {
    pacing.added(filled(1), false)
    await clock.advance(150)
    pacing.added(filled(2), false)
    await clock.advance(49)
    expect(commits).to.equal(0)
    await clock.advance(1)
    expect(commits).to.equal(1)
  })

  it('is at once if the batch is full, by rows, bytes or days', () => {
    pacing.added(filled(100), false)
    pacing.added({ ...filled(1), bytes: 8 << 20 }, false)
    pacing.added({ ...filled(1), dayCount: 32 }, false)
    expect(commits).to.equal(3)
  })

  it('is not before the commit under way is over, however full the batch is', () => {
    pacing.added(filled(100), true)
    expect(commits).to.equal(0)
    pacing.committed(filled(100))
    expect(commits).to.equal(1)
  })

  it('is not for a batch that is on its way, or was dropped', async () => {
    pacing.added(filled(1), false)
    pacing.begun()
    await clock.advance(1_000)
    expect(commits).to.equal(0)
  })
})
