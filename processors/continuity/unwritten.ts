import type { Boot, BootState } from './boot.ts'
import { type Device, type DeviceCounts, noDeviceCounts } from './device.ts'

/** What must be written so that the ledger can be read again. */
export interface LedgerChanges {
  /** Not copies, so they must be encoded at once. */
  readonly boots: readonly BootState[]
  /** The same, of names that are no devices. */
  readonly strangers: readonly BootState[]
  /** Names that have become devices. Rows that were written of them as strangers are theirs now. */
  readonly promoted: readonly string[]
  /** What was counted since the changes before these. */
  readonly counts: readonly DeviceCounts[]
  /** Devices that got new rows of boots, and their boots in memory, whose rows must stay. */
  readonly grown: readonly { readonly device: string; readonly keep: readonly number[] }[]
}

/** What has changed in memory and is to be written, in rounds. */
export class Unwritten {
  /** How often changes were taken. */
  round = 0
  private changed: Boot<Device>[] = []
  private counted = new Set<Device>()
  private promoted = new Set<string>()
  /**
   * `growing`: devices with boots that have no row yet. `grown`: devices that got rows, and may
   * have too many now.
   */
  private growing = new Set<Device>()
  private readonly grown = new Set<Device>()

  /** Number of boots to be written. */
  get boots(): number {
    return this.changed.length
  }

  /** Notes that something of a boot has changed. */
  touch(boot: Boot<Device>): void {
    boot.touched = this.round
    if (boot.changed) return
    boot.changed = true
    this.changed.push(boot)
    if (boot.isNew) this.growing.add(boot.owner)
  }

  /** A device's counts, which are about to change. */
  countsOf(device: Device): DeviceCounts {
    this.counted.add(device)
    return device.counts
  }

  /**
   * Notes that the name is a device, even if it was taken for a stranger before.
   * @param hasRows whether the database has rows of it as a stranger
   */
  promote(device: Device, hasRows = false): void {
    if (hasRows) this.promoted.add(device.name)
    if (device.known) return
    device.known = true
    if (device.boots.size === 0) return
    this.promoted.add(device.name)
    this.growing.add(device)
    for (const boot of device.boots.values()) {
      if (boot.changed || boot.isNew) continue
      boot.changed = true
      this.changed.push(boot)
    }
  }

  /** Whether something about the device itself is to be written, or folded. */
  concerns(device: Device): boolean {
    return this.counted.has(device) || this.grown.has(device)
  }

  /**
   * What has changed since it was last asked.
   * @param mayFold whether a partition's rows may be folded together now
   */
  take(mayFold: (partition: number) => boolean): LedgerChanges {
    const counts = [...this.counted].map((device) => {
      const { counts: since } = device
      device.counts = noDeviceCounts(since.device)
      return since
    })
    const grown = [...this.grown].filter(({ partition }) => mayFold(partition))
    for (const device of grown) this.grown.delete(device)
    const changes = {
      boots: this.changed.filter(({ owner }) => owner.known),
      strangers: this.changed.filter(({ owner }) => !owner.known),
      promoted: [...this.promoted],
      counts,
      grown: grown.map(({ name, boots }) => ({ device: name, keep: [...boots.keys()] })),
    }
    for (const boot of this.changed) {
      boot.changed = false
      boot.isNew = false
    }
    this.changed = []
    this.counted = new Set()
    this.promoted = new Set()
    for (const device of this.growing) this.grown.add(device)
    this.growing = new Set()
    this.round++
    return changes
  }
}
