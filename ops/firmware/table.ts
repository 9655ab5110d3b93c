import { whole } from '../figures.ts'
import { table } from '../text-table.ts'
import type { CoverageReport, DeviceCoverage, FirmwareCoverage, StrangeCoverage } from './coverage.ts'

/** Most devices, and most strange messages, that a table lists; JSON has all. */
const MOST_ROWS = 100

/** The report for people. */
export function coverageLines(report: CoverageReport): readonly string[] {
  return [...firmwareLines(report.firmwares), '', ...deviceSummary(report), ...strangeLines(report), '', readSummary(report)]
}

/** One firmware: what it measures, and who runs it. */
export function firmwareLinesOf(report: CoverageReport, firmware: FirmwareCoverage): readonly string[] {
  const own = report.devices.filter((device) => device.firmware === firmware.firmware)
  return [
    ...firmwareLines([firmware]),
    ...(firmware.fingerprints.length === 0 ? [] : [`fingerprints: ${firmware.fingerprints.join(', ')}`]),
    ...(firmware.measures.length === 0
      ? []
      : [
          '',
          ...table(
            [
              ['field', 'quantity', 'unit', 'conversion'],
              ...firmware.measures.map(({ field, quantity, unit, conversion }) => [field, quantity, unit, conversion]),
            ],
            ['left', 'left', 'left', 'left'],
          ),
        ]),
    ...(own.length === 0 ? [] : ['', ...deviceTable(own)]),
    '',
    readSummary(report),
  ]
}

/** One device: its firmware, and what of it nobody knew. */
export function deviceLines(report: CoverageReport, device: DeviceCoverage): readonly string[] {
  const { birth, readings, firmware, from, provisioned } = device
  const known = report.firmwares.find((each) => each.firmware === firmware)
  return [
    `device    ${device.device}${provisioned ? '' : ' (not in the app database)'}`,
    `firmware  ${firmware === null ? 'nothing says' : `${firmware}, ${from === 'birth' ? 'as its birth says' : 'as its readings say'}`}${
      known?.kind === 'unregistered' ? ', which is not registered' : ''
    }`,
    `birth     ${birth ?? 'said none'}`,
    ...Object.entries(readings).map(([name, last]) => `readings  ${name}, the last ${last}`),
    ...strangeLines(report),
    '',
    readSummary(report),
  ]
}

function firmwareLines(firmwares: readonly FirmwareCoverage[]): readonly string[] {
  const rows = firmwares.map((each) => [each.firmware, each.kind, whole(each.devices), each.lastReading ?? '-', measured(each)])
  return table([['firmware', 'kind', 'devices', 'last reading', 'measures'], ...rows], ['left', 'left', 'right', 'left', 'left'])
}

function measured({ kind, problem, measures, carried, devices }: FirmwareCoverage): string {
  if (problem !== null) return `cannot be used: ${problem}`
  if (kind === 'unregistered')
    return devices > 0 ? 'unknown: register its schema (millrace schemas register FILE), or configure its dialect' : '-'
  const left = carried.length === 0 ? '' : `; carried and left out: ${carried.join(', ')}`
  return `${[...new Set(measures.map(({ quantity }) => quantity))].join(', ')}${left}`
}

function deviceSummary({ devices, since }: CoverageReport): readonly string[] {
  const silent = devices.filter(({ firmware }) => firmware === null).length
  const gone = devices.filter(({ provisioned }) => !provisioned).length
  return [
    `${whole(devices.length - gone)} devices${silent === 0 ? '' : `; of ${whole(silent)} nothing says what they run: no birth with a firmware, no reading since ${since}`}`,
    ...(gone === 0 ? [] : [`${whole(gone)} more that are no longer in the app database have sent readings`]),
  ]
}

function deviceTable(devices: readonly DeviceCoverage[]): readonly string[] {
  const rows = devices
    .slice(0, MOST_ROWS)
    .map(({ device, from, firmware, readings }) => [device, from ?? '-', (firmware === null ? undefined : readings[firmware]) ?? '-'])
  return [
    ...table([['device', 'known by', 'last reading'], ...rows], ['left', 'left', 'left']),
    ...(devices.length > MOST_ROWS ? [`… ${whole(devices.length - MOST_ROWS)} devices more: --json has all`] : []),
  ]
}

function strangeLines({ strange, strangeOthers }: CoverageReport): readonly string[] {
  if (strange.length === 0) return ['nobody sent anything that is not known, as far as dead letters say']
  const shown = strange.slice(0, MOST_ROWS)
  const rows = shown.map(({ device, reason, what, messages, last }) => [device ?? '-', reason, what, whole(messages), last])
  const more = strange.slice(MOST_ROWS).reduce((sum, { messages }) => sum + messages, strangeOthers)
  return [
    '',
    'sent, and not known (dead letters that no redrive has settled):',
    ...table([['device', 'reason', 'what', 'messages', 'last'], ...rows], ['left', 'left', 'left', 'right', 'left']),
    ...(more === 0 ? [] : [`… ${whole(more)} messages more`]),
    ...advice(shown),
  ]
}

/** Each command once. */
function advice(strange: readonly StrangeCoverage[]): readonly string[] {
  const known = new Map<string, boolean>()
  for (const { command, known: isKnown } of strange) known.set(command, isKnown)
  return [...known].map(([command, isKnown]) => (isKnown ? `registered by now: ${command}` : `once it is known: ${command}`))
}

function readSummary({ since, recordsRead, recordsLeft }: CoverageReport): string {
  const left = recordsLeft === 0 ? '' : `; ${whole(recordsLeft)} older ones were too many (--most-records)`
  return `Births, and ${whole(recordsRead)} records of readings since ${since}${left}. A device that sends more rarely is known by its birth only: see --since.`
}
