import { Boot, type BootState } from './boot.ts'
import { type Device, newDevice } from './device.ts'
import { BOOTS_IN_MEMORY } from './limits.ts'

/** The boots that were heard of lately, by device. */
export class BootsInMemory {
  private readonly devices = new Map<string, Device>()
  private count = 0

  /** Number of boots. */
  get size(): number {
    return this.count
  }

  find(device: string, boot: number): Boot<Device> | undefined {
    return this.devices.get(device)?.boots.get(boot)
  }

  /** Whether a name is known to be one of a device. */
  knows(name: string): boolean {
    return this.devices.get(name)?.known === true
  }

  /** The device of a name. It is taken into memory if it is not there. */
  device(name: string): Device {
    let device = this.devices.get(name)
    if (device === undefined) {
      device = newDevice(name)
      this.devices.set(name, device)
    }
    return device
  }

  /** Takes a boot into memory, unless it is there. */
  install(device: string, boot: number, round: number, written?: BootState | 'folded'): Boot<Device> {
    const owner = this.device(device)
    const present = owner.boots.get(boot)
    if (present !== undefined) return present
    const entry = new Boot(owner, device, boot, round, written)
    owner.boots.set(boot, entry)
    this.count++
    return entry
  }

  /**
   * Forgets boots that are written: those not touched since a round of changes, all but the newest
   * of a device that has many, and those of strangers.
   * @param isNeeded whether a device must stay though none of its boots does
   */
  forget(sinceRound: number, isNeeded: (device: Device) => boolean): void {
    for (const device of this.devices.values()) {
      const most = device.known ? BOOTS_IN_MEMORY : 0
      for (const boot of device.boots.values()) if (boot.touched < sinceRound) this.remove(boot)
      // A map keeps the order in which they were first heard of: late frames of an old boot are
      // rare.
      for (const boot of device.boots.values()) {
        if (device.boots.size <= most) break
        this.remove(boot)
      }
      if (device.boots.size === 0 && !isNeeded(device)) this.devices.delete(device.name)
    }
  }

  /**
   * Boots that have a row of their own, or will.
   * @param known true for boots of devices, false for boots of names that are no devices
   */
  *states(known: boolean): IterableIterator<BootState> {
    for (const device of this.devices.values()) {
      if (device.known !== known) continue
      for (const boot of device.boots.values()) if (!boot.folded) yield boot
    }
  }

  private remove(boot: Boot<Device>): void {
    if (!boot.changed && boot.owner.boots.delete(boot.boot)) this.count--
  }
}
