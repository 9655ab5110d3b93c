import { expect } from 'chai'
import type { Position } from './distance.ts'
import { type Decided, trackBefore } from './take-back.ts'
import { moved, trace } from './traces.ts'
import { type Decision, type Fix, follow, noTrack, type Track } from './track.ts'

const HOUR = 3_600_000_000
const start = Date.UTC(2026, 3, 1) * 1000
const orchard: Position = { latitude: 51.4, longitude: 7.1 }
const office = moved(orchard, 25_000, 1)
const quiet = { intervalMinutes: 60, driftMetres: 15, jumps: 0, missing: 0 }
const at = (place: Position, fromHour: number, hours: number): readonly Fix[] =>
  trace(start + fromHour * HOUR, [{ untilMinute: hours * 60, at: place }], { ...quiet, seed: fromHour + 1 })

function followAll(from: Track, fixes: readonly Fix[]): { readonly track: Track; readonly decisions: readonly Decision[] } {
  let track = from
  const decisions: Decision[] = []
  for (const fix of fixes) {
    const next = follow(track, fix)
    track = next.track
    if (next.decision !== null) decisions.push(next.decision)
  }
  return { track, decisions }
}

const decided = (decisions: readonly Decision[], atMicros: number): readonly Decided[] =>
  decisions.filter(({ sinceMicros }) => sinceMicros < atMicros)

describe('a track that is taken back', () => {
  const swap = start + 12 * HOUR
  const atOrchard = at(orchard, 0, 12)

  it('stays as it is if no fix came since', () => {
    const { track } = followAll(noTrack, atOrchard)
    expect(trackBefore(track, swap, [], false)).to.equal(track)
  })

  it('rests where it rested, whatever was decided since; what another device says there is no news', () => {
    const { track, decisions } = followAll(noTrack, [...atOrchard, ...at(office, 13, 12)])
    expect(decisions.map(({ state }) => state)).to.deep.equal(['rest', 'transit', 'rest'])
    const back = trackBefore(track, swap, decided(decisions, swap), true)
    expect(back.moving).to.equal(false)
    expect(back.recent).to.deep.equal([])
    expect(followAll(back, at(orchard, 12, 24)).decisions).to.deep.equal([])
  })

  it('takes no fix from before the moment for a new one', () => {
    const { track, decisions } = followAll(noTrack, [...atOrchard, ...at(office, 13, 12)])
    const back = trackBefore(track, swap, decided(decisions, swap), true)
    expect(followAll(back, atOrchard).track).to.equal(back)
  })

  it('forgets a departure that nobody has decided of yet', () => {
    const { track, decisions } = followAll(noTrack, [...atOrchard, ...at(office, 13, 3)])
    expect(decisions).to.have.length(1)
    const back = trackBefore(track, swap, decided(decisions, swap), false)
    expect(back).to.deep.include({ moving: false, awayMicros: null, candidate: null })
    expect(back.recent.every(({ atMicros }) => atMicros < swap)).to.equal(true)
  })

  it('is in transit if that was so at the moment', () => {
    const moment = start + 20 * HOUR
    const { track, decisions } = followAll(noTrack, [
      ...atOrchard,
      ...at(moved(orchard, 9_000, 2), 13, 2),
      ...at(moved(orchard, 14_000, 2), 15, 5),
      ...at(office, 21, 8),
    ])
    const back = trackBefore(track, moment, decided(decisions, start + 15 * HOUR), true)
    expect(back).to.deep.include({ moving: true })
    expect(back.rest?.sinceMicros).to.equal(decisions[0]?.sinceMicros)
  })

  it('knows nothing if nothing was decided before', () => {
    const { track } = followAll(noTrack, at(orchard, 13, 12))
    expect(trackBefore(track, swap, [], true)).to.deep.include({ rest: null, moving: false, recent: [] })
  })
})
