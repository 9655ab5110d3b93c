import type { DeviceId } from '../../processors/contract.ts'

/** The device IDs of a fleet, as the C program numbers them. */
export function deviceIds({ prefix, devices }: { readonly prefix: string; readonly devices: number }): readonly DeviceId[] {
  return Array.from({ length: devices }, (_, index) => `${prefix}-${String(index + 1).padStart(4, '0')}` as DeviceId)
}
