import type { Boot, BootState } from './boot.ts'
import type { Device } from './device.ts'
import { RecentNumbers } from './recent-numbers.ts'

/**
 * Two boots of one device may overlap by as much as its clock is corrected at the start. Two
 * devices soon overlap by more.
 */
const CLOCK_STEP_MICROS = 10_000_000

/**
 * Notes when a frame's first sample was taken.
 * @param time microseconds since 1970, by the device's own clock
 * @returns whether it is a sign of a second device with the same ID (docs/adr/0007-continuity.md)
 */
export function isOfSecondDevice(boot: Boot<Device>, seq: number, time: number): boolean {
  const { last } = boot.owner
  const returns = last !== boot && !Number.isNaN(boot.firstSample)
  if (!(time >= boot.firstSample)) boot.firstSample = time
  if (!(time <= boot.lastSample)) boot.lastSample = time
  boot.owner.last = boot
  boot.recent ??= new RecentNumbers()
  return boot.recent.contradicts(seq, time) || (returns && last !== undefined && overlap(boot, last) > CLOCK_STEP_MICROS)
}

/** How long the sample times of both boots overlap, in microseconds; negative if they are apart. */
function overlap(a: BootState, b: BootState): number {
  return Math.min(a.lastSample, b.lastSample) - Math.max(a.firstSample, b.firstSample)
}
