import type { DeviceDirectory } from '../../connectors/contract.ts'
import type { Assignment, DeviceId } from '../../processors/contract.ts'
import { type DevicePattern, matchesPattern, parseDevicePattern } from '../../processors/device-pattern.ts'

/** A directory of devices that is its own database: what is written holds at once. */
export class MemoryDeviceDirectory implements DeviceDirectory {
  private readonly devices = new Map<DeviceId, readonly Assignment[]>()
  private readonly rules = new Map<string, readonly DevicePattern[]>()
  /** Devices that were looked for. */
  private readonly asked = new Set<DeviceId>()

  provision(devices: readonly DeviceId[], assignments: readonly Assignment[] = []): void {
    for (const device of devices) this.devices.set(device, assignments)
  }

  delete(device: DeviceId): void {
    this.devices.delete(device)
  }

  allow(gateway: string, ...patterns: readonly string[]): void {
    const added = patterns.flatMap((text) => parseDevicePattern(text) ?? [])
    this.rules.set(gateway, [...(this.rules.get(gateway) ?? []), ...added])
  }

  forbid(gateway: string, ...patterns: readonly string[]): void {
    this.rules.set(
      gateway,
      (this.rules.get(gateway) ?? []).filter(({ text }) => !patterns.includes(text)),
    )
  }

  async prepare(devices: ReadonlySet<DeviceId>): Promise<void> {
    for (const device of devices) this.asked.add(device)
  }

  assignments(device: DeviceId): readonly Assignment[] | undefined {
    return this.devices.get(device)
  }

  unsure(device: DeviceId): boolean {
    return !this.devices.has(device) && !this.asked.has(device)
  }

  speaksFor(gateway: string, device: DeviceId): boolean {
    return (this.rules.get(gateway) ?? []).some((pattern) => matchesPattern(pattern, device))
  }

  async [Symbol.asyncDispose](): Promise<void> {}
}
