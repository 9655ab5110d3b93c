import { expect } from 'chai'
import fc from 'fast-check'
import { medianPosition, metresBetween, type Position } from './distance.ts'
import { type Errors, type Leg, moved, trace } from './traces.ts'
import { type Decision, type Fix, follow, noTrack, type Track } from './track.ts'

const DAY = 1440
const home: Position = { latitude: 51.4, longitude: 7.1 }
const start = Date.UTC(2026, 4, 1) * 1000
const errors = fc.record({
  seed: fc.integer(),
  intervalMinutes: fc.constantFrom(15, 30, 60),
  driftMetres: fc.integer({ min: 10, max: 30 }),
  jumps: fc.constantFrom(0, 0.02, 0.05),
  missing: fc.constantFrom(0, 0.1, 0.4),
})
const direction = fc.double({ min: 0, max: 6.28, noNaN: true })

interface Decided extends Decision {
  /** Number of fixes that were there when it was decided. */
  readonly after: number
}

function decisions(fixes: readonly Fix[]): readonly Decided[] {
  let track: Track = noTrack
  return fixes.flatMap((fix, index) => {
    const next = follow(track, fix)
    track = next.track
    return next.decision === null ? [] : [{ ...next.decision, after: index + 1 }]
  })
}

const states = (of: readonly Decision[]) => of.map(({ state }) => state)

describe('a device', () => {
  it('that stays where it is comes to rest once, whatever jumps, drifts, is missing or goes for the day', () => {
    fc.assert(
      fc.property(
        errors,
        direction,
        fc.integer({ min: 1000, max: 4000 }),
        fc.array(fc.boolean(), { minLength: 8, maxLength: 8 }),
        (err, way, metres, trips) => {
          const field = moved(home, metres, way)
          const legs = trips.flatMap((trip, day): Leg[] => [
            { untilMinute: (day + 1) * DAY + 8 * 60, at: home },
            { untilMinute: (day + 1) * DAY + 18 * 60, at: trip ? field : home },
          ])
          const found = decisions(trace(start, [...legs, { untilMinute: 10 * DAY, at: home }], err))
          expect(states(found)).to.deep.equal(['rest'])
          expect(metresBetween(found[0] as Decision, home)).to.be.lessThan(100)
        },
      ),
      { numRuns: 60 },
    )
  })

  it('is found at its new place though its first fixes there were taken while it still rolled, beside where it stands', () => {
    const east = (metres: number): Position => moved(home, metres - 50_000, Math.PI / 2)
    const places = [
      ...Array.from({ length: 20 }, (_, index) => moved(home, index, 1)),
      ...[40_000, 30_000, 20_000, 10_000, 6_000].map(east),
      // With two fixes of the road, the middle is that of the first one here: near enough to be no
      // other place, too far to agree.
      ...[95, 10, 5].map(east),
      ...Array.from({ length: 40 }, (_, index) => east(index % 2 === 0 ? -10 : -15)),
    ]
    const found = decisions(places.map((at, index) => ({ ...at, atMicros: start + index * 900_000_000, estimated: false })))
    expect(states(found)).to.deep.equal(['rest', 'transit', 'rest'])
    expect(found[2]?.after).to.be.at.most(25 + 3 + 13 + 4)
  })

  it('that is moved far is in transit, then at rest at its new place: 6 fixes and 3 hours, and one more for each that errs', () => {
    fc.assert(
      fc.property(
        errors,
        direction,
        fc.integer({ min: 15_000, max: 300_000 }),
        fc.integer({ min: 2, max: 9 }),
        (err, way, metres, hours) => {
          const orchard = moved(home, metres, way)
          const arrival = 3 * DAY + hours * 60
          const fixes = trace(
            start,
            [{ untilMinute: 3 * DAY, at: home }, { untilMinute: arrival }, { untilMinute: 7 * DAY, at: orchard }],
            err,
          )
          const found = decisions(fixes)
          const rest = found.at(-1) as Decided
          expect([states(found)[0], rest.state]).to.deep.equal(['rest', 'rest'])
          expect(found.filter(({ state }) => state === 'rest')).to.have.length(2)
          expect(metresBetween(rest, orchard)).to.be.lessThan(100)
          const first = fixes.findIndex(({ atMicros }) => atMicros >= start + arrival * 60_000_000)
          const bad = fixes.slice(first, rest.after).filter((fix) => metresBetween(fix, orchard) > 60).length
          const threeHours = (3 * 60) / err.intervalMinutes + 1
          expect(rest.after - first).to.be.at.most(Math.max(6, threeHours) + bad + 4)
          expect(rest.sinceMicros).to.be.at.least(fixes[first]?.atMicros ?? 0)
          expect(rest.confidence).to.be.within(0.5, 1)
        },
      ),
      { numRuns: 60 },
    )
  })

  it('that is moved by 2 km for good is found after a day, and is never in transit', () => {
    const err: Errors = { seed: 3, intervalMinutes: 15, driftMetres: 20, jumps: 0.02, missing: 0.1 }
    const field = moved(home, 2000, 1)
    const fixes = trace(
      start,
      [
        { untilMinute: 3 * DAY, at: home },
        { untilMinute: 6 * DAY, at: field },
      ],
      err,
    )
    const found = decisions(fixes)
    expect(states(found)).to.deep.equal(['rest', 'rest'])
    const decided = fixes[(found[1]?.after ?? 0) - 1]?.atMicros ?? 0
    expect((decided - start) / 60_000_000 - 3 * DAY).to.be.within(24 * 60, 26 * 60)
    expect(((found[1]?.sinceMicros ?? 0) - start) / 60_000_000 - 3 * DAY).to.be.within(0, 60)
  })

  it('that comes back is at rest where it was', () => {
    const err: Errors = { seed: 3, intervalMinutes: 15, driftMetres: 20, jumps: 0, missing: 0 }
    const away = moved(home, 40_000, 2)
    const legs = [
      { untilMinute: DAY, at: home },
      { untilMinute: DAY + 60 },
      { untilMinute: DAY + 120, at: away },
      { untilMinute: DAY + 180 },
    ]
    const found = decisions(trace(start, [...legs, { untilMinute: 2 * DAY, at: home }], err))
    expect(states(found)).to.deep.equal(['rest', 'transit', 'rest'])
  })

  it('that jumps to one wrong place twice in a row has not left', () => {
    const fixes = trace(start, [{ untilMinute: DAY, at: home }], { seed: 1, intervalMinutes: 15, driftMetres: 20, jumps: 0, missing: 0 })
    const wrong = moved(home, 20_000, 1)
    expect(states(decisions(fixes.map((fix, index) => (index % 6 < 2 ? { ...fix, ...wrong } : fix))))).to.deep.equal(['rest'])
  })

  it('is not changed by fixes that come again or late', () => {
    const fixes = trace(
      start,
      [{ untilMinute: DAY, at: home }, { untilMinute: DAY + 240 }, { untilMinute: 2 * DAY, at: moved(home, 90_000, 1) }],
      { seed: 5, intervalMinutes: 15, driftMetres: 20, jumps: 0.05, missing: 0 },
    )
    fc.assert(
      fc.property(fc.array(fc.tuple(fc.nat(fixes.length - 1), fc.nat(fixes.length - 1)), { maxLength: 40 }), (again) => {
        const followed = (list: readonly Fix[]) => list.reduce((track, fix) => follow(track, fix).track, noTrack)
        const disturbed = fixes.flatMap((fix, index) => [
          fix,
          ...again.flatMap(([at, what]) => (at === index && what <= index ? [fixes[what] as Fix] : [])),
        ])
        expect(followed(disturbed)).to.deep.equal(followed(fixes))
      }),
      { numRuns: 20 },
    )
  })

  it('whose times are estimated is trusted half', () => {
    const fixes = trace(start, [{ untilMinute: DAY, at: home }], { seed: 1, intervalMinutes: 60, driftMetres: 10, jumps: 0, missing: 0 })
    expect(decisions(fixes)[0]?.confidence).to.equal(1)
    expect(decisions(fixes.map((fix) => ({ ...fix, estimated: true })))[0]?.confidence).to.equal(0.5)
  })
})

describe('positions', () => {
  it('have a median that the date line does not disturb', () => {
    const { latitude, longitude } = medianPosition([
      { latitude: 10, longitude: 179.999 },
      { latitude: 10, longitude: -179.999 },
      { latitude: 10, longitude: -179.998 },
    ])
    expect([latitude, Math.round(longitude * 1000) / 1000]).to.deep.equal([10, -179.999])
  })

  it('are as far apart as they are on the Earth', () => {
    // A degree of latitude; Berlin to Munich.
    expect(metresBetween({ latitude: 0, longitude: 0 }, { latitude: 1, longitude: 0 })).to.be.closeTo(111_195, 1)
    expect(metresBetween({ latitude: 52.52, longitude: 13.405 }, { latitude: 48.137, longitude: 11.575 })).to.be.closeTo(504_400, 500)
  })
})
