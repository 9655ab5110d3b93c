import { join } from 'node:path'
import type { Placement } from '../../connectors/postgres/devices.ts'
import { projectRoot } from '../../schemas/files.ts'

/** The C program that simulates devices. */
export const FLEET_PROGRAM = join(projectRoot, 'firmware/build/fleet')

/** A fleet of the demonstration: the firmware, and where its devices are. */
export interface DemoFleet extends Placement {
  readonly prefix: string
  readonly firmware: string
  readonly devices: number
  readonly sampleHz: number
}

/** Both domains and every firmware: 300 devices, 300 frames and 6,840 readings a second. */
export const demoFleets: readonly DemoFleet[] = [
  { prefix: 'orchard', firmware: 'hive-1', devices: 120, sampleHz: 1, account: 'Demo apiary', site: 'Orchard' },
  { prefix: 'forest', firmware: 'hive-2', devices: 120, sampleHz: 1, account: 'Demo apiary', site: 'Forest edge' },
  { prefix: 'plant', firmware: 'plant-1', devices: 60, sampleHz: 20, account: 'Demo plant', site: 'Hall 1' },
]

/** Boot counters live in the instance's directory: another instance's devices are others. */
export function bootFile(local: string, name: string): string {
  return join(local, 'fleet', `${name}.boot`)
}
