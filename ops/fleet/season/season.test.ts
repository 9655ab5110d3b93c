import { expect } from 'chai'
import fc from 'fast-check'
import { metresBetween } from '../../../processors/movement/distance.ts'
import { WORST_ACCURACY_METRES } from '../../../processors/movement/limits.ts'
import { type Fix, follow, noTrack, type Track } from '../../../processors/movement/track.ts'
import { compareSeason } from './compare.ts'
import { planSeason } from './plan.ts'
import { FARTHEST_METRES } from './receiver.ts'
import { csvLine, INTERVAL_MINUTES, seasonSamples } from './samples.ts'
import { DAY, type Hive, SEASON_DAYS, type Season, seasonStart } from './season.ts'
import type { SeenMovement, SeenSeason, SeenSite } from './seen.ts'
import { tellStory } from './story.ts'
import { positionAt } from './way.ts'

const startMs = seasonStart(Date.UTC(2026, 3, 20, 13, 7))
const endMinute = SEASON_DAYS * DAY + 13 * 60
const plan = (seed: number, hives = 20): Season => planSeason({ seed, startMs, endMinute, hives, prefix: 'hive' })
const seeds = fc.integer({ min: 0, max: 2 ** 31 - 1 })

describe('a simulated season', () => {
  it('is the same for the same seed, to the byte, and another for another', () => {
    const text = (seed: number): string => {
      const season = plan(seed)
      return seasonSamples(season)
        .map((sample) => csvLine(season, sample))
        .join('')
    }
    expect(text(7)).to.equal(text(7))
    expect(text(7)).not.to.equal(text(8))
  })

  it('is within its bounds: times, ways, speeds, errors, values, the order of sending', () => {
    fc.assert(
      fc.property(seeds, (seed) => {
        const season = plan(seed, 12)
        for (const { way } of season.hives)
          for (const [index, point] of way.entries()) {
            const before = way[index - 1]
            if (before === undefined || point.minute - before.minute < 1) continue
            expect(metresBetween(before.at, point.at) / 1000 / ((point.minute - before.minute) / 60), 'km/h').to.be.below(81)
          }
        const hives = new Map(season.hives.map((hive) => [hive.device as string, hive]))
        let sent = 0
        for (const sample of seasonSamples(season)) {
          const { minute, sentMinute, fix, weight, temperature } = sample
          const { way, silentFrom } = hives.get(sample.device) as Hive
          const metres = fix === null ? 0 : metresBetween(fix, positionAt(way, minute))
          // One check a sample: chai takes its time.
          if (
            minute >= 0 &&
            minute <= Math.min(endMinute, silentFrom) &&
            sentMinute >= Math.max(minute, sent) &&
            sentMinute - minute <= 600 &&
            Math.abs(temperature - 20) <= 25 &&
            (weight === null || Math.abs(weight - 40) <= 20) &&
            metres <= FARTHEST_METRES * 1.01 &&
            (metres < 2_000 || (fix?.accuracy ?? 0) <= WORST_ACCURACY_METRES)
          )
            sent = sentMinute
          else throw new Error(`out of bounds: ${JSON.stringify({ ...sample, sent, metres })}`)
        }
      }),
      { numRuns: 20, endOnFailure: true },
    )
  })

  it('has fixes that are far off, never two in a row, fixes that are missing, and late samples', () => {
    const season = plan(3, 48)
    const samples = seasonSamples(season)
    for (const { device, way } of season.hives) {
      const mine = samples.filter((sample) => sample.device === device).sort((a, b) => a.minute - b.minute)
      const fixes = mine.flatMap(({ fix, minute }) => (fix === null || fix.accuracy > WORST_ACCURACY_METRES ? [] : [{ fix, minute }]))
      const far = fixes.map(({ fix, minute }) => metresBetween(fix, positionAt(way, minute)) > 500)
      expect(far.filter((each) => each).length / far.length).to.be.within(0.0005, 0.04)
      expect(far.some((each, index) => each && far[index + 1] === true)).to.equal(false)
      expect(fixes.length).to.be.within(mine.length * 0.8, mine.length - 1)
    }
    expect(samples.filter(({ sentMinute, minute }) => sentMinute > minute).length).to.be.above(20)
  })

  it('is seen as it was by the decisions of movement, whatever the seed', () => {
    fc.assert(
      fc.property(seeds, (seed) => {
        const season = plan(seed)
        const compared = compareSeason(season, decide(season, endMinute), endMinute)
        expect(compared.wrong.join('\n')).to.equal('')
        expect(compared.sites.found).to.have.lengthOf(4)
        expect(compared.undecided).to.equal(0)
        expect(compared.explained).to.have.lengthOf(2)
        expect(compared.moves.seen).to.equal(compared.moves.expected).and.to.be.above(20)
        for (const ms of compared.moves.delaysMs) expect(ms / 60_000 / INTERVAL_MINUTES).to.be.below(24)
      }),
      { numRuns: 15, endOnFailure: true },
    )
  }).timeout(60_000)

  it('is seen as it was at any moment at which it is interrupted', () => {
    fc.assert(
      fc.property(seeds, fc.integer({ min: 0, max: endMinute }), (seed, until) => {
        const season = plan(seed, 12)
        expect(compareSeason(season, decide(season, until), until).wrong.join('\n')).to.equal('')
      }),
      { numRuns: 30, endOnFailure: true },
    )
  }).timeout(60_000)
})

describe('the story of a season', () => {
  const season = plan(1)
  const seen = decide(season, endMinute)
  const told = (other: Partial<SeenSeason>): string =>
    tellStory(season, compareSeason(season, { ...seen, ...other }, endMinute), endMinute).join('\n')

  it('says in one line that nothing is wrong, and why hives are counted elsewhere than they are', () => {
    expect(told({}))
      .to.contain('sites    4 of 4 founded')
      .and.to.contain('nothing was seen that did not happen, and nothing was missed')
      .and.to.match(/differs {2}hive-\d+ stands at the eastern orchard and is counted at the yard: its tag was left in the truck/)
      .and.to.match(/differs {2}hive-\d+ stands at the southern orchard and is counted at the western orchard: its tag fell silent/)
      .and.not.to.contain('WRONG')
  })

  it('names what is wrong: sites, moves, counts and alerts that are missing, doubled or invented', () => {
    const founded = seen.sites.find((site) => site.founded) as SeenSite
    const [first, second] = seen.movements.filter(({ state }) => state === 'transit') as [SeenMovement, SeenMovement]
    const [alert] = seen.alerts
    if (alert === undefined) throw new Error('expected an alert')
    expect(told({ sites: [...seen.sites, { ...founded, id: 99, name: 'again' }] })).to.contain('WRONG    site "again" was founded at')
    expect(told({ sites: [...seen.sites, { ...founded, id: 99, latitude: 10 }] })).to.contain('was founded where no hive ever stood')
    expect(told({ sites: seen.sites.filter((site) => site !== founded) })).to.contain('and no site was founded')
    expect(told({ movements: seen.movements.filter((each) => each !== first) })).to.contain(`WRONG    ${first.device} left `)
    expect(told({ movements: [...seen.movements, { ...second, sinceMs: startMs + DAY * 60_000 * 3.1 }] })).to.contain(
      `${second.device} was taken to be in transit from on day 3`,
    )
    expect(told({ present: new Map() })).to.match(/WRONG {4}hive-\d+ stands at .* and is counted nowhere/)
    expect(told({ alerts: seen.alerts.slice(1) })).to.contain(`${alert.rule} of ${alert.device} on day`)
    expect(told({ alerts: [...seen.alerts, { ...alert }] })).to.contain('was raised, and nothing had happened')
    expect(told({ alerts: [{ ...alert, closedMs: null }, ...seen.alerts.slice(1)] })).to.contain('was not closed')
  })
})

/**
 * What Millrace would have: the decisions of movement, one site for a place, an alert for each
 * incident.
 */
function decide(season: Season, until: number): SeenSeason {
  const tracks = new Map<string, Track>()
  const sites: SeenSite[] = [
    { id: 1, name: 'yard', kind: 'storage', ...(season.places[0]?.at ?? { latitude: 0, longitude: 0 }), founded: false, hives: 0 },
  ]
  const movements: SeenMovement[] = []
  const present = new Map<string, number>()
  for (const { device, minute, sentMinute, fix } of seasonSamples(season)) {
    if (sentMinute > until || fix === null || fix.accuracy > WORST_ACCURACY_METRES) continue
    const { latitude, longitude } = fix
    const next: Fix = { atMicros: (startMs + minute * 60_000) * 1000, latitude, longitude, estimated: false }
    const { track, decision } = follow(tracks.get(device) ?? noTrack, next)
    tracks.set(device, track)
    if (decision === null) continue
    let site = decision.state === 'rest' ? sites.find((each) => metresBetween(each, decision) <= 500) : undefined
    if (decision.state === 'rest' && site === undefined) {
      site = {
        id: sites.length + 1,
        name: `site ${sites.length}`,
        kind: 'orchard',
        latitude: decision.latitude,
        longitude: decision.longitude,
        founded: true,
        hives: 0,
      }
      sites.push(site)
    }
    if (site === undefined) present.delete(device)
    else present.set(device, site.id)
    movements.push({
      device,
      state: decision.state,
      sinceMs: decision.sinceMicros / 1000,
      siteId: site?.id ?? null,
      decidedByMs: next.atMicros / 1000,
    })
  }
  const alerts = season.incidents.flatMap(({ rule, device, fromMinute, untilMinute }) =>
    fromMinute + 30 > until
      ? []
      : [
          {
            rule,
            device,
            openedMs: startMs + (fromMinute + 30) * 60_000,
            closedMs: untilMinute > until ? null : startMs + untilMinute * 60_000,
          },
        ],
  )
  const hives = (id: number): number => [...present.values()].filter((site) => site === id).length
  return { sites: sites.map((site) => ({ ...site, hives: hives(site.id) })), movements, alerts, present }
}
