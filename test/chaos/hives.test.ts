import { expect } from 'chai'
import { metresBetween } from '../../processors/movement/distance.ts'
import { type Decision, follow, noTrack } from '../../processors/movement/track.ts'
import { HIVES, messagesOf, PLACES } from './hives.ts'

/** In two minutes of a run. */
const MESSAGES = 120
const seeds = [1, 2, 3, 20261132]
const messages = (seed: number, number: number) => {
  const of = messagesOf(seed, number, Date.UTC(2026, 0, 1))
  return Array.from({ length: MESSAGES }, () => of.next().value).flat()
}

describe('the hives of chaos', () => {
  it('are at rest at places and on the road between them, and measure what breaches rules', () => {
    for (const seed of seeds) {
      for (const number of HIVES.keys()) {
        let track = noTrack
        const decisions: Decision[] = []
        let hot = 0
        for (const { tsMs, temperature, others = {} } of messages(seed, number).flatMap(({ readings }) => readings)) {
          const { latitude = 0, longitude = 0 } = others
          const next = follow(track, { atMicros: tsMs * 1000, latitude, longitude, estimated: false })
          track = next.track
          if (next.decision !== null) decisions.push(next.decision)
          if (temperature > 38) hot++
        }
        const rests = decisions.filter(({ state }) => state === 'rest')
        expect(rests.length, `rests of hive ${number} with seed ${seed}`).to.be.at.least(3)
        for (const rest of rests) expect(PLACES.some((place) => metresBetween(place, rest) < 200)).to.equal(true)
        expect(hot).to.be.at.least(5)
      }
    }
  })

  it('send some messages twice, and some after later ones', () => {
    for (const seed of seeds) {
      const all = [...HIVES.keys()].flatMap((number) => messages(seed, number).map((message) => ({ number, ...message })))
      expect(all.filter(({ repeat }) => repeat).length).to.be.at.least(20)
      const late = all.filter(
        ({ number, readings, repeat }, index) =>
          !repeat &&
          all
            .slice(Math.max(0, index - 3), index)
            .some((before) => before.number === number && (before.readings[0]?.tsMs ?? 0) > (readings[0]?.tsMs ?? 0)),
      )
      expect(late.length).to.be.at.least(20)
    }
  })

  it('follow from the seed alone', () => {
    expect(messages(7, 3)).to.deep.equal(messages(7, 3))
    expect(messages(7, 3)).not.to.deep.equal(messages(8, 3))
  })
})
