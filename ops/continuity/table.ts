import { formatRanges, type Range } from '../../processors/continuity/ranges.ts'
import { whole } from '../figures.ts'
import { table } from '../text-table.ts'
import { type ContinuityReport, type DeviceReport, isRemarkable } from './report.ts'

/** Ranges named of one boot; the rest are counted. */
const MOST_RANGES = 12
/** Devices listed; the rest are counted. */
const MOST_DEVICES = 50

/** What is told of all devices together, if there is any of it. */
const NOTES: readonly (readonly [figure: (device: DeviceReport) => number, what: string])[] = [
  [({ unknown }) => unknown, 'frames went by before the ledger was begun'],
  [({ droppedSamples }) => droppedSamples, 'samples were discarded by the devices themselves'],
  [({ unnumbered }) => unnumbered, 'records of messages that are no frames carry no number'],
  [({ unreadable }) => unreadable, 'dead letters have no number that can be read'],
  [({ implausible }) => implausible, 'frames have numbers that cannot be true: they are in no sum'],
  [({ folded }) => folded, 'boots are folded together, for their devices have many: their frames are counted, and not named'],
  [({ late }) => late, 'frames came for boots or numbers that are only counted by now: they are in no sum'],
  [({ passedOver }) => passedOver, 'frames were not looked at: their devices have very many boots that the ledger has not counted yet'],
]

/**
 * Lines for people: the sums, then the devices with something to look at.
 * @param all every device
 */
export function continuityTable({ frames, addsUp, strangers, devices }: ContinuityReport, all: boolean): readonly string[] {
  const sum = (figure: (device: DeviceReport) => number): number => devices.reduce((total, device) => total + figure(device), 0)
  const lines = [
    ...table(
      [
        ['frames numbered', whole(frames.numbered), `by ${whole(devices.length)} devices in ${whole(sum(({ boots }) => boots))} boots`],
        [
          '  stored',
          whole(frames.stored),
          remark(
            sum(({ partlyDead }) => partlyDead),
            'of them with single samples dead-lettered',
          ),
        ],
        ['  dead-lettered', whole(frames.deadLettered), ''],
        ['  in flight', whole(frames.inFlight), ''],
        ['  missing', whole(frames.missing), ''],
      ],
      ['left', 'right', 'left'],
    ),
    addsUp ? 'The four states add up to the frames numbered.' : 'THE STATES DO NOT ADD UP: this is a defect of the ledger.',
  ]
  const notes = [
    ...NOTES.map(([figure, what]) => remark(sum(figure), what)),
    remark(strangers.frames, 'frames came under names that are no devices: they are dead letters, and in no sum'),
    remark(strangers.inFlight, 'frames are on their way under names that are no devices'),
    remark(strangers.others, 'records without a number came under such names'),
    remark(
      devices.filter(({ conflicts }) => conflicts > 0).length,
      'device IDs are used by two devices: their numbers cannot be told apart',
    ),
  ]
  const differing = sum(({ differing }) => differing?.rows ?? 0)
  if (differing > 0)
    notes.push(
      `${whole(differing)} rows of ${whole(devices.filter((device) => device.differing !== null).length)} devices had another value than the row of their time`,
    )
  lines.push(...notes.filter((note) => note !== ''))
  const listed = all ? devices : devices.filter(isRemarkable)
  if (listed.length === 0) return lines
  lines.push('', ...deviceLines(listed.slice(0, MOST_DEVICES)))
  if (listed.length > MOST_DEVICES) lines.push(`… and ${whole(listed.length - MOST_DEVICES)} more devices; --json has all`)
  return lines
}

function deviceLines(devices: readonly DeviceReport[]): readonly string[] {
  const heading = ['device', 'numbered', 'stored', 'dead', 'in flight', 'missing', 'dropped', '']
  const rows = devices.map(
    ({ device, frames, droppedSamples, conflicts, unreadable, partlyDead, differing, implausible, folded, late, passedOver }) => [
      device,
      whole(frames.numbered),
      whole(frames.stored),
      whole(frames.deadLettered),
      whole(frames.inFlight),
      whole(frames.missing),
      whole(droppedSamples),
      [
        remark(conflicts, 'contradictions: two devices use this ID'),
        remark(partlyDead, 'partly dead'),
        remark(unreadable, 'dead letters without a number'),
        remark(implausible, 'implausible'),
        remark(folded, 'boots folded'),
        remark(late, 'late'),
        remark(passedOver, 'not looked at'),
        differing === null ? '' : differingRows(differing),
      ]
        .filter((text) => text !== '')
        .join('; '),
    ],
  )
  const lines = table([heading, ...rows], ['left', 'right', 'right', 'right', 'right', 'right', 'right', 'left'])
  return lines.flatMap((line, index) => [line, ...(devices[index - 1]?.incomplete ?? []).flatMap(bootLines)])
}

function differingRows({ rows, ts, quantity, kept, refused }: NonNullable<DeviceReport['differing']>): string {
  return `${whole(rows)} rows differ from those stored, the last at ${ts}: ${quantity} ${kept} kept, ${refused} refused`
}

function bootLines({ boot, missingNumbers, deadLetteredNumbers, settledBelow }: DeviceReport['incomplete'][number]): readonly string[] {
  return [['missing', missingNumbers] as const, ['dead-lettered', deadLetteredNumbers] as const].flatMap(([state, ranges]) =>
    ranges.length > 0
      ? [`    boot ${boot}: ${state} ${named(ranges)}${settledBelow > 0 ? `; below ${whole(settledBelow)} they are only counted` : ''}`]
      : [],
  )
}

function named(ranges: readonly Range[]): string {
  const rest = ranges.length - MOST_RANGES
  return `${formatRanges(ranges.slice(0, MOST_RANGES))}${rest > 0 ? ` and ${whole(rest)} more ranges` : ''}`
}

function remark(count: number, what: string): string {
  return count > 0 ? `${whole(count)} ${what}` : ''
}
