import type { DeviceBirth } from '../../connectors/postgres/device-births.ts'
import type { Heard } from './heard.ts'
import type { KnownFirmware, Measure } from './known.ts'
import type { Strange, Strangers } from './strange.ts'

/** All that the report is made of. */
export interface CoverageSources {
  readonly known: readonly KnownFirmware[]
  /** Every device. */
  readonly births: readonly DeviceBirth[]
  readonly heard: Heard
  readonly strangers: Strangers
  /** Beginning of the readings that were looked at: milliseconds since 1970. */
  readonly sinceMs: number
}

/** A firmware or dialect, and who runs it. */
export interface FirmwareCoverage {
  /** As readings have it: hive-1, tasmota@3. */
  readonly firmware: string
  /**
   * `unregistered`: devices say that they run it, or have sent readings of it, and neither the
   * registry nor the dialects of the configuration have it.
   */
  readonly kind: 'firmware' | 'dialect' | 'unregistered'
  /** Devices whose firmware it is, as far as is known. */
  readonly devices: number
  /** When the last of their readings came; null if there were none since the report's beginning. */
  readonly lastReading: string | null
  readonly fingerprints: readonly string[]
  readonly measures: readonly Measure[]
  /** Fields of its frames that have no standard quantity: carried, and left out. */
  readonly carried: readonly string[]
  readonly problem: string | null
}

export interface DeviceCoverage {
  readonly device: string
  /** Whether the app database has it. */
  readonly provisioned: boolean
  /**
   * The firmware that it said or sent last. A device may send readings of several, such as frames
   * and JSON. Null if nothing says.
   */
  readonly firmware: string | null
  /** Where that is from. */
  readonly from: 'birth' | 'readings' | null
  /** What its last birth said. */
  readonly birth: string | null
  /** Of its readings: when the last of each firmware came. */
  readonly readings: Readonly<Record<string, string>>
}

/** A message that nobody knew, and what to do about it. */
export interface StrangeCoverage extends Omit<Strange, 'lastMs'> {
  readonly last: string
  /** What sends it on once it is registered or configured. */
  readonly command: string
  /** Whether the registry has the fingerprint by now. */
  readonly known: boolean
}

export interface CoverageReport {
  readonly since: string
  readonly recordsRead: number
  /** Older ones since then, which were too many to be read. */
  readonly recordsLeft: number
  /** Those that most devices run first. */
  readonly firmwares: readonly FirmwareCoverage[]
  readonly devices: readonly DeviceCoverage[]
  readonly strange: readonly StrangeCoverage[]
  /** Messages that are in none of these: they are of too many devices. */
  readonly strangeOthers: number
}

/** Pure: what is known, joined by device and by firmware. */
export function coverage({ known, births, heard, strangers, sinceMs }: CoverageSources): CoverageReport {
  const devices = devicesOf(births, heard)
  const counts = new Map<string, { devices: number; lastMs: number }>()
  const countOf = (firmware: string): { devices: number; lastMs: number } => {
    let count = counts.get(firmware)
    if (count === undefined) {
      count = { devices: 0, lastMs: Number.NEGATIVE_INFINITY }
      counts.set(firmware, count)
    }
    return count
  }
  for (const { firmware } of devices) if (firmware !== null) countOf(firmware).devices++
  for (const own of heard.devices.values()) {
    for (const [firmware, lastMs] of own) {
      const count = countOf(firmware)
      count.lastMs = Math.max(count.lastMs, lastMs)
    }
  }
  const knownNames = new Set(known.map(({ name }) => name))
  const unregistered = [...counts.keys()].filter((name) => !knownNames.has(name))
  const rows: readonly (Omit<KnownFirmware, 'kind'> & Pick<FirmwareCoverage, 'kind'>)[] = [
    ...known,
    ...unregistered.map((name) => ({ name, kind: 'unregistered' as const, fingerprints: [], measures: [], carried: [], problem: null })),
  ]
  const fingerprints = new Set(known.filter(({ problem }) => problem === null).flatMap((each) => each.fingerprints))
  return {
    since: iso(sinceMs),
    recordsRead: heard.records,
    recordsLeft: heard.left,
    firmwares: rows
      .map(({ name, ...row }) => {
        const { devices: running = 0, lastMs = Number.NEGATIVE_INFINITY } = counts.get(name) ?? {}
        return { firmware: name, devices: running, lastReading: Number.isFinite(lastMs) ? iso(lastMs) : null, ...row }
      })
      .sort((a, b) => b.devices - a.devices || (a.firmware < b.firmware ? -1 : 1)),
    devices,
    strange: strangers.strange.map(({ lastMs, ...strange }) => ({
      ...strange,
      last: iso(lastMs),
      command: commandOf(strange),
      known: strange.fingerprint !== null && fingerprints.has(strange.fingerprint),
    })),
    strangeOthers: strangers.others,
  }
}

function devicesOf(births: readonly DeviceBirth[], { devices: heard }: Heard): readonly DeviceCoverage[] {
  const provisioned = births.map(({ device, firmware: birth, seenMs }): DeviceCoverage => {
    const own = heard.get(device)
    return { device, provisioned: true, birth, readings: moments(own), ...latest(birth, seenMs, own) }
  })
  const names = new Set(births.map(({ device }) => device))
  const gone = [...heard].filter(([device]) => !names.has(device))
  return [
    ...provisioned,
    ...gone.map(
      ([device, own]): DeviceCoverage => ({ device, provisioned: false, birth: null, readings: moments(own), ...latest(null, null, own) }),
    ),
  ]
}

/** The later one of a birth and the last readings. */
function latest(
  birth: string | null,
  seenMs: number | null,
  readings: ReadonlyMap<string, number> | undefined,
): Pick<DeviceCoverage, 'firmware' | 'from'> {
  let firmware: string | null = null
  let lastMs = Number.NEGATIVE_INFINITY
  for (const [name, atMs] of readings ?? []) {
    if (atMs > lastMs) [firmware, lastMs] = [name, atMs]
  }
  if (birth !== null && (firmware === null || (seenMs ?? Number.NEGATIVE_INFINITY) > lastMs)) return { firmware: birth, from: 'birth' }
  return { firmware, from: firmware === null ? null : 'readings' }
}

function moments(readings: ReadonlyMap<string, number> | undefined): Readonly<Record<string, string>> {
  return Object.fromEntries([...(readings ?? [])].map(([firmware, atMs]) => [firmware, iso(atMs)]))
}

function commandOf({ processor, reason, fingerprint }: Pick<Strange, 'processor' | 'reason' | 'fingerprint'>): string {
  const only = reason === 'unknown-fingerprint' && fingerprint !== null ? ` --fingerprint ${fingerprint}` : ''
  return `millrace redrive ${processor} --reason ${reason}${only}`
}

function iso(ms: number): string {
  return new Date(ms).toISOString()
}
