import { expect } from 'chai'
import { ManualClock } from '../../test/memory/manual-clock.ts'
import { CommitPacing, type Fill } from './pacing.ts'

const some: Fill = { rows: 10, bytes: 1_000, dayCount: 1 }
const full: Fill = { rows: 100, bytes: 10_000, dayCount: 1 }

describe('the pacing of commits', () => {
  let clock: ManualClock
  let pacing: CommitPacing
  /** When each commit was begun: milliseconds since the clock's beginning. */
  let commits: number[]
  /** How long each takes; 0 for those that a test ends itself. */
  let takesMs: number
  let mostRows: number

  beforeEach(() => {
    clock = new ManualClock()
    commits = []
    takesMs = 1
    mostRows = full.rows
    pacing = new CommitPacing({
      mostRows: () => mostRows,
      batchMs: 200,
      clock,
      commit: () => {
        commits.push(clock.monotonicMs())
        pacing.begun()
        if (takesMs > 0) clock.after(takesMs, ended)
      },
    })
  })

  const ended = (): void => pacing.committed(some)

  /** Adds a little each millisecond. */
  async function load(ms: number): Promise<void> {
    for (let passed = 0; passed < ms; passed++) {
      pacing.added(some)
      await clock.advance(1)
    }
  }

  it('commits what comes after a silence with what comes with it, at once', async () => {
    pacing.added(some)
    pacing.added(some)
    await clock.advance(1_000)
    pacing.added(some)
    await clock.advance(1_000)
    expect(commits).to.deep.equal([2, 1_002])
  })

  it('begins a commit 20 ms after the one before, as long as they are quick', async () => {
    await load(100)
    expect(commits).to.deep.equal([2, 22, 42, 62, 82])
  })

  it('waits four times as long as a commit takes: larger ones cost less', async () => {
    takesMs = 30
    await load(400)
    expect(commits).to.deep.equal([2, 122, 242, 362])
  })

  it('commits after a slow commit as soon as many rows wait', async () => {
    mostRows = 10_000
    takesMs = 60
    pacing.added(some)
    await clock.advance(62)
    pacing.added({ ...some, rows: 1_990 })
    await clock.advance(10)
    pacing.added({ ...some, rows: 2_000 })
    await clock.advance(300)
    expect(commits).to.deep.equal([2, 74])
  })

  it('waits no longer than the configuration says, however long commits take', async () => {
    takesMs = 100
    await load(900)
    expect(commits).to.deep.equal([2, 302, 602])
  })

  it('commits a full batch at once, or as soon as the commit before it is over', () => {
    takesMs = 0
    pacing.added(full)
    expect(commits).to.deep.equal([0])
    pacing.added(full)
    expect(commits).to.have.length(1)
    pacing.committed(full)
    expect(commits).to.have.length(2)
  })

  it('is full by rows, by bytes, or by days', () => {
    expect([some, full, { ...some, bytes: 9 << 20 }, { ...some, dayCount: 32 }].map((batch) => pacing.isFull(batch))).to.deep.equal([
      false,
      true,
      true,
      true,
    ])
  })

  it('commits nothing that was dropped', async () => {
    pacing.added(some)
    pacing.dropped()
    await clock.advance(1_000)
    expect(commits).to.deep.equal([])
  })
})
