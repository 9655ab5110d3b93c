import { type Comparison, when } from './compare.ts'
import { INTERVAL_MINUTES } from './samples.ts'
import { DAY, type Season } from './season.ts'

/** Differences that are told one by one. */
const MOST_TOLD = 20
const MS_PER_FIX = INTERVAL_MINUTES * 60_000

/** The story of a season: what the simulation did, and what Millrace saw of it. */
export function tellStory(season: Season, compared: Comparison, untilMinute: number): readonly string[] {
  const { sites, moves, counts, alerts, wrong, explained, undecided } = compared
  const whole = untilMinute >= season.endMinute
  const delays = moves.delaysMs.map((ms) => Math.ceil(ms / MS_PER_FIX)).sort((a, b) => a - b)
  return [
    whole
      ? `the season: ${season.hives.length} hives, ${(untilMinute / DAY).toFixed(1)} days, seed ${season.seed}. What Millrace saw, of what the simulation did:`
      : `the season, seed ${season.seed}, was interrupted ${when(untilMinute)}. What Millrace saw, of what the simulation had done by then:`,
    line(
      'sites',
      `${sites.found.length} of ${sites.expected.length} founded, nobody told of them${sites.found.length === 0 ? '' : ': '}`,
      sites.found.map(({ place, metres }) => `${place.name} ${Math.round(metres)} m from its middle`).join(', '),
    ),
    line(
      'moves',
      `${moves.seen} of ${moves.expected} seen`,
      delays.length === 0
        ? ''
        : `; an arrival was known with the ${ordinal(delays[delays.length >> 1])} fix (half of them), the ${ordinal(delays.at(-1))} at the latest`,
    ),
    line(
      'hives',
      counts.map(({ place, truth, seen }) => `${seen} at ${place.name}${seen === truth ? '' : ` (in truth ${truth})`}`).join(', '),
    ),
    line('alerts', `${alerts.opened} of ${alerts.expected} raised, ${alerts.closed} of ${alerts.toClose} closed`),
    ...(undecided === 0 ? [] : [line('', `${undecided} changes were too recent to be decided, and are not counted`)]),
    ...told('differs', explained),
    ...told('WRONG', wrong),
    line(
      '',
      wrong.length === 0
        ? 'nothing was seen that did not happen, and nothing was missed'
        : `${wrong.length} differences that should not be`,
    ),
  ]
}

function told(name: string, lines: readonly string[]): readonly string[] {
  const more = lines.length - MOST_TOLD
  return [...lines.slice(0, MOST_TOLD).map((each) => line(name, each)), ...(more > 0 ? [line(name, `and ${more} more like these`)] : [])]
}

function line(name: string, ...words: readonly string[]): string {
  return `  ${name.padEnd(8)} ${words.join('')}`
}

function ordinal(value = 0): string {
  const teen = value % 100 > 10 && value % 100 < 14
  const ending = teen ? 'th' : (['th', 'st', 'nd', 'rd'][value % 10] ?? 'th')
  return `${value}${ending}`
}
