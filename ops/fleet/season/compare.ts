/** Compares what Millrace saw of a season with what the simulation did, up to a minute. */
import { metresBetween } from '../../../processors/movement/distance.ts'
import { INTERVAL_MINUTES, stayAt } from './samples.ts'
import type { Hive, Incident, Place, Season } from './season.ts'
import type { SeenAlert, SeenMovement, SeenSeason, SeenSite } from './seen.ts'

/** What was compared. Each of `wrong` is a fault of the line, or of what is said here. */
export interface Comparison {
  readonly sites: { readonly expected: readonly Place[]; readonly found: readonly FoundSite[] }
  readonly moves: { readonly expected: number; readonly seen: number; readonly delaysMs: readonly number[] }
  readonly counts: readonly { readonly place: Place; readonly truth: number; readonly seen: number }[]
  readonly alerts: { readonly expected: number; readonly opened: number; readonly closed: number; readonly toClose: number }
  /** What is not as it should be, one a line. */
  readonly wrong: readonly string[]
  /** Where what Millrace can know differs from the truth, one a line. */
  readonly explained: readonly string[]
  /** What is too recent for anybody to decide, and was not counted. */
  readonly undecided: number
}

export interface FoundSite {
  readonly place: Place
  readonly metres: number
}

const HOUR = 60
/** An arrival is decided after so long at the latest: three hours at rest, and fixes that err. */
const ARRIVAL_HOURS = 6
const DEPARTURE_HOURS = 4
const ALERT_HOURS = 2
/**
 * The first fix that says so comes within this of the change: a single fix that was far off just
 * before a departure counts as its first, and a cold start or missing fixes delay it.
 */
const BEFORE_HOURS = 1
const AFTER_HOURS = 3
const OPENED_HOURS = 2
/** A site belongs to a place that it is so near to. */
const SAME_PLACE_METRES = 1_000
const MS_PER_MINUTE = 60_000

/** @param untilMinute what was sent up to here, Millrace has handled */
export function compareSeason(season: Season, seen: SeenSeason, untilMinute: number): Comparison {
  const wrong: string[] = []
  const explained: string[] = []
  const placeOf = new Map(seen.sites.map((site) => [site.id, nearestPlace(season, site)]))
  const visits = season.hives.map((hive) => visitsOf(hive, seen.movements, placeOf, untilMinute, season.startMs))
  wrong.push(...visits.flatMap((each) => each.wrong))
  const sites = foundSites(season, seen.sites, visits, wrong)
  const counts = compareCounts(season, seen, placeOf, untilMinute, wrong, explained)
  const alerts = compareAlerts(season, seen.alerts, untilMinute, wrong)
  return {
    sites,
    moves: {
      expected: visits.reduce((sum, { expected }) => sum + expected, 0),
      seen: visits.reduce((sum, { moved }) => sum + moved, 0),
      delaysMs: visits.flatMap(({ delaysMs }) => delaysMs),
    },
    counts,
    alerts: alerts.figures,
    wrong,
    explained,
    undecided: visits.reduce((sum, each) => sum + each.undecided, 0) + alerts.undecided,
  }
}

interface Visits {
  readonly expected: number
  readonly moved: number
  readonly delaysMs: readonly number[]
  readonly undecided: number
  /** Places where it must be known to have been at rest. */
  readonly places: readonly Place[]
  readonly wrong: readonly string[]
}

/**
 * The stays of a hive's tag, and the decisions that belong to them. A move is a departure and an
 * arrival.
 */
function visitsOf(
  hive: Hive,
  movements: readonly SeenMovement[],
  placeOf: ReadonlyMap<number, Place | undefined>,
  untilMinute: number,
  startMs: number,
): Visits {
  const left = new Set(movements.filter(({ device }) => device === hive.device))
  const take = (state: SeenMovement['state'], minute: number, place?: Place): SeenMovement | undefined => {
    const [fromMs, toMs] = [
      startMs + (minute - BEFORE_HOURS * HOUR) * MS_PER_MINUTE,
      startMs + (minute + AFTER_HOURS * HOUR) * MS_PER_MINUTE,
    ]
    for (const each of left) {
      if (each.state !== state || each.sinceMs < fromMs || each.sinceMs > toMs) continue
      if (place !== undefined && (each.siteId === null || placeOf.get(each.siteId) !== place)) continue
      left.delete(each)
      return each
    }
    return undefined
  }
  const wrong: string[] = []
  const places: Place[] = []
  const delaysMs: number[] = []
  let [expected, moved, undecided] = [0, 0, 0]
  const known = Math.min(untilMinute, hive.silentFrom)
  for (const [index, { place, fromMinute, untilMinute: leaves }] of hive.tagStays.entries()) {
    if (fromMinute > known) break
    const before = hive.tagStays[index - 1]
    const departed = before === undefined ? undefined : take('transit', before.untilMinute)
    const arrived = take('rest', fromMinute, place)
    const stayed = Math.min(known, leaves) - fromMinute
    if (stayed < ARRIVAL_HOURS * HOUR) {
      undecided++
      continue
    }
    places.push(place)
    if (arrived === undefined) wrong.push(`${hive.device} arrived at ${place.name} ${when(fromMinute)}, and that was not seen`)
    if (before === undefined) continue
    expected++
    if (departed === undefined) wrong.push(`${hive.device} left ${before.place.name} ${when(before.untilMinute)}, and that was not seen`)
    if (arrived === undefined || departed === undefined) continue
    moved++
    delaysMs.push(arrived.decidedByMs - startMs - fromMinute * MS_PER_MINUTE)
  }
  const last = hive.tagStays.filter(({ untilMinute: leaves }) => leaves <= known).at(-1)
  const onTheRoad = last !== undefined && hive.tagStays.every(({ fromMinute }) => fromMinute <= last.fromMinute || fromMinute > known)
  if (last !== undefined && onTheRoad && take('transit', last.untilMinute) === undefined) {
    if (known - last.untilMinute < DEPARTURE_HOURS * HOUR) undecided++
    else wrong.push(`${hive.device} left ${last.place.name} ${when(last.untilMinute)}, and that was not seen`)
  }
  for (const each of left) {
    const minute = (each.sinceMs - startMs) / MS_PER_MINUTE
    wrong.push(`${hive.device} was taken to be ${each.state === 'rest' ? 'at rest' : 'in transit'} from ${when(minute)} on, and was not`)
  }
  return { expected, moved, delaysMs, undecided, places, wrong }
}

function foundSites(season: Season, sites: readonly SeenSite[], visits: readonly Visits[], wrong: string[]): Comparison['sites'] {
  const must = new Set(visits.flatMap(({ places }) => places))
  const expected = season.places.filter((place) => place.kind === 'orchard' && must.has(place))
  const found: FoundSite[] = []
  for (const site of sites) {
    if (!site.founded) continue
    const place = nearestPlace(season, site)
    if (place === undefined) wrong.push(`site "${site.name}" was founded where no hive ever stood`)
    else if (found.some((other) => other.place === place) || place.kind === 'storage')
      wrong.push(`site "${site.name}" was founded at ${place.name}, which had one`)
    else found.push({ place, metres: metresBetween(site, place.at) })
  }
  for (const place of expected)
    if (!found.some((site) => site.place === place)) wrong.push(`hives came to rest at ${place.name}, and no site was founded`)
  return { expected, found }
}

function nearestPlace({ places }: Season, site: SeenSite): Place | undefined {
  return places.find((place) => metresBetween(place.at, site) <= SAME_PLACE_METRES)
}

function compareCounts(
  season: Season,
  { sites, present }: SeenSeason,
  placeOf: ReadonlyMap<number, Place | undefined>,
  untilMinute: number,
  wrong: string[],
  explained: string[],
): Comparison['counts'] {
  const truths = new Map<Place, number>()
  for (const hive of season.hives) {
    const truth = stayAt(hive.hiveStays, untilMinute)?.place
    if (truth !== undefined) truths.set(truth, (truths.get(truth) ?? 0) + 1)
    const siteId = present.get(hive.device)
    const known = siteId === undefined ? undefined : placeOf.get(siteId)
    if (truth === known) continue
    const changed = hive.hiveStays
      .flatMap(({ fromMinute, untilMinute: leaves }) => [fromMinute, leaves])
      .filter((minute) => minute > 0 && minute <= untilMinute)
    const stands = truth === undefined ? 'is on the road' : `stands at ${truth.name}`
    const counted = known === undefined ? 'is counted nowhere' : `is counted at ${known.name}`
    if (untilMinute - Math.max(0, ...changed) < ARRIVAL_HOURS * HOUR) continue
    if (hive.remark === undefined) wrong.push(`${hive.device} ${stands} and ${counted}`)
    else explained.push(`${hive.device} ${stands} and ${counted}: ${hive.remark}`)
  }
  return season.places.map((place) => ({
    place,
    truth: truths.get(place) ?? 0,
    seen: sites.filter((site) => placeOf.get(site.id) === place).reduce((sum, { hives }) => sum + hives, 0),
  }))
}

function compareAlerts(
  { incidents, startMs }: Season,
  alerts: readonly SeenAlert[],
  untilMinute: number,
  wrong: string[],
): { readonly figures: Comparison['alerts']; readonly undecided: number } {
  const left = new Set(alerts)
  let [expected, opened, toClose, closed, undecided] = [0, 0, 0, 0, 0]
  for (const incident of incidents) {
    const { rule, device, fromMinute, untilMinute: over } = incident
    if (fromMinute > untilMinute) continue
    const mine = [...left].find((alert) => belongs(incident, alert, startMs))
    if (mine !== undefined) left.delete(mine)
    if (untilMinute - fromMinute < ALERT_HOURS * HOUR) {
      undecided++
      continue
    }
    expected++
    if (mine === undefined) {
      wrong.push(`${rule} of ${device} ${when(fromMinute)} raised no alert`)
      continue
    }
    opened++
    if (untilMinute - over < ALERT_HOURS * HOUR) continue
    toClose++
    if (mine.closedMs === null || mine.closedMs < startMs + (over - INTERVAL_MINUTES) * MS_PER_MINUTE)
      wrong.push(`the alert ${rule} of ${device} was ${mine.closedMs === null ? 'not closed' : 'closed too early'}`)
    else closed++
  }
  for (const { rule, device, openedMs } of left)
    wrong.push(`alert ${rule} of ${device} ${when((openedMs - startMs) / MS_PER_MINUTE)} was raised, and nothing had happened`)
  return { figures: { expected, opened, toClose, closed }, undecided }
}

function belongs({ rule, device, fromMinute }: Incident, alert: SeenAlert, startMs: number): boolean {
  const minute = (alert.openedMs - startMs) / MS_PER_MINUTE
  return alert.rule === rule && alert.device === device && minute >= fromMinute && minute <= fromMinute + OPENED_HOURS * HOUR
}

/** As in "on day 3 at 20:15". */
export function when(minute: number): string {
  const clock = new Date(Math.round(minute) * MS_PER_MINUTE).toISOString().slice(11, 16)
  return `on day ${Math.floor(minute / 1_440)} at ${clock}`
}
