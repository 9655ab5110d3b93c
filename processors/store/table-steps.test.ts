import { expect } from 'chai'
import fc from 'fast-check'
import type { MoveSettings } from './table-move.ts'
import { ATTACH_STEPS, COPY_STEPS, LEAST_AHEAD_MS, type MoveProgress, type StepName, stepsLeft } from './table-steps.ts'

const NOW_MS = Date.UTC(2026, 10, 23, 12)
const settings: MoveSettings = {
  target: 'readings',
  way: 'attach',
  time: 'recorded_at',
  key: ['sensor_id', 'recorded_at'],
  names: {},
  keep: [],
  cutGiven: false,
  cutMs: Date.UTC(2026, 10, 25),
}
const nothing: MoveProgress = { index: 'absent', check: 'absent', swapped: false, doubled: false, copied: false, compared: false, done: [] }

/** What there is after a step. */
function after(progress: MoveProgress, step: StepName): MoveProgress {
  switch (step) {
    case 'index':
      return { ...progress, index: 'ready' }
    case 'check':
      return { ...progress, check: 'added' }
    case 'validate':
      return { ...progress, check: 'validated' }
    case 'double':
      return { ...progress, doubled: true }
    case 'copy':
      return { ...progress, copied: true }
    case 'compare':
      return { ...progress, compared: true }
    case 'swap':
      return { ...progress, swapped: true }
    default:
      return { ...progress, done: [...progress.done, step] }
  }
}

describe('the steps of migrating a table', () => {
  it('are all of them for a table that nothing was done to', () => {
    expect(stepsLeft(settings, nothing, NOW_MS)).to.deep.equal(ATTACH_STEPS.filter((step) => step !== 'days'))
    expect(stepsLeft({ ...settings, way: 'copy' }, nothing, NOW_MS)).to.deep.equal(COPY_STEPS)
    expect(stepsLeft({ ...settings, target: 'own' }, nothing, NOW_MS)).to.deep.equal(ATTACH_STEPS.filter((step) => step !== 'rollups'))
  })

  it('build an index again that a killed run left, and none if the key has one', () => {
    expect(stepsLeft(settings, { ...nothing, index: 'invalid' }, NOW_MS)).to.include('index')
    expect(stepsLeft(settings, { ...nothing, index: 'needless' }, NOW_MS)).not.to.include('index')
  })

  it('make the check anew if its end is near, except for an end that somebody chose', () => {
    const checked: MoveProgress = { ...nothing, index: 'ready', check: 'validated' }
    const late = settings.cutMs - LEAST_AHEAD_MS + 1
    expect(stepsLeft(settings, checked, late - 1)[0]).to.equal('swap')
    expect(stepsLeft(settings, checked, late).slice(0, 3)).to.deep.equal(['check', 'validate', 'swap'])
    expect(stepsLeft({ ...settings, cutGiven: true }, checked, late)[0]).to.equal('swap')
  })

  it('end wherever they were cut off, and each is done once', () => {
    fc.assert(
      fc.property(fc.constantFrom('attach', 'copy'), fc.constantFrom('own', 'readings'), (way, target) => {
        const chosen = { ...settings, way, target } as const
        let progress = nothing
        const done: StepName[] = []
        for (;;) {
          // The days of a table of its own are looked at by each run.
          const [step] = stepsLeft(chosen, progress, NOW_MS).filter((each) => each !== 'days')
          if (step === undefined) break
          expect(done).not.to.include(step)
          done.push(step)
          progress = after(progress, step)
        }
        expect(done).to.include('swap')
        expect(done.at(-1)).to.equal(target === 'readings' && way === 'attach' ? 'rollups' : 'analyze')
      }),
    )
  })
})
