import { metresBetween } from '../../../processors/movement/distance.ts'
import { randomNumbers } from '../../../processors/movement/traces.ts'
import { createReceiver, type ReceivedFix, type Sky } from './receiver.ts'
import { DAY, type Hive, type Season, type Stay } from './season.ts'
import { type Chance, positionAt } from './way.ts'

/** What a tag measured at a minute of the season. */
export interface Sample {
  /** When it is sent: later than it was made if the tag had no network. */
  readonly sentMinute: number
  readonly minute: number
  readonly device: string
  readonly temperature: number
  readonly weight: number | null
  readonly batteryVoltage: number
  readonly fix: ReceivedFix | null
}

export const INTERVAL_MINUTES = 15
/** A hive farther than this from where it stood is not on its scale. */
const ON_SCALE_METRES = 300
export const CSV_HEADER = 'time,device,temperature,weight,battery_voltage,latitude,longitude,position_accuracy\n'

/** All samples of a season, in the order in which they are sent. */
export function seasonSamples(season: Season): readonly Sample[] {
  return season.hives
    .flatMap((hive, index) => samplesOf(season, hive, index))
    .sort((a, b) => a.sentMinute - b.sentMinute || a.minute - b.minute)
}

/** A sample as a line that the fleet reads: firmware hive-3. */
export function csvLine(
  { startMs }: Pick<Season, 'startMs'>,
  { minute, device, temperature, weight, batteryVoltage, fix }: Sample,
): string {
  const position = fix === null ? ',,' : `${fix.latitude.toFixed(6)},${fix.longitude.toFixed(6)},${fix.accuracy}`
  const time = startMs + Math.round(minute * 60_000)
  return `${time},${device},${temperature.toFixed(2)},${weight === null ? '' : weight.toFixed(2)},${batteryVoltage.toFixed(2)},${position}\n`
}

function samplesOf(season: Season, hive: Hive, index: number): readonly Sample[] {
  const chance = randomNumbers(Math.imul(season.seed, 0x9e3779b1) ^ (index + 1))
  const receiver = createReceiver(chance)
  const { device, buffered } = hive
  const losses = season.losses.filter((loss) => loss.device === device)
  const incidents = season.incidents.filter((incident) => incident.device === device)
  const full = 38 + 10 * chance()
  const samples: Sample[] = []
  for (let minute = (index * 7) % INTERVAL_MINUTES; minute <= Math.min(season.endMinute, hive.silentFrom); minute += INTERVAL_MINUTES) {
    const truth = positionAt(hive.way, minute)
    const stay = stayAt(hive.tagStays, minute)
    const standing = stay !== undefined && metresBetween(truth, stay.place.at) <= ON_SCALE_METRES
    const sky: Sky = !standing ? 'road' : stay.place.trees ? 'trees' : 'open'
    const fix = receiver(truth, sky)
    const hot = incidents.find(({ rule, fromMinute, untilMinute }) => rule !== 'robbed' && minute >= fromMinute && minute < untilMinute)
    const lost = losses.reduce((sum, { fromMinute, kilograms }) => sum + (minute >= fromMinute ? kilograms : 0), 0)
    const weight = full + (0.2 * minute) / DAY + 0.3 * daily(minute, 20) + 0.03 * (chance() - 0.5) - lost
    const late = buffered !== undefined && minute >= buffered.from && minute < buffered.until
    samples.push({
      sentMinute: late ? buffered.sentAt : minute,
      minute,
      device,
      temperature: temperatureAt(minute, hot?.rule, chance),
      weight: standing && minute < hive.scaleUntil ? weight : null,
      batteryVoltage: 4.1 - (0.03 * minute) / DAY,
      fix,
    })
  }
  return samples
}

/** Where something stands at a minute; undefined on the road. */
export function stayAt(stays: readonly Stay[], minute: number): Stay | undefined {
  return stays.find(({ fromMinute, untilMinute }) => minute >= fromMinute && minute < untilMinute)
}

/** A mild spring: 6 to 20 degrees, unless it is said otherwise. */
function temperatureAt(minute: number, incident: string | undefined, chance: Chance): number {
  const noise = 0.4 * (chance() - 0.5)
  if (incident === 'frost') return -2 + noise
  if (incident === 'too-hot') return 41 + noise
  return 13 + 6 * daily(minute, 15) + noise
}

/** From -1 to 1, with its peak at an hour of the day. */
function daily(minute: number, peakHour: number): number {
  return Math.cos(2 * Math.PI * (minute / DAY - peakHour / 24))
}
