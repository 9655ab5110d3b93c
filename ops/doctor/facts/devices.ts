import { dirname } from 'node:path'
import { type Machine, numberIn } from '../machine.ts'

/**
 * The nearest file of that name in a device's folder or one above it: a disk has its controller's
 * node.
 */
export function fileAbove(machine: Machine, folder: string, name: string): string | undefined {
  for (let at = folder; at.startsWith('/sys/devices/'); at = dirname(at)) {
    if (machine.read(`${at}/${name}`) !== undefined) return `${at}/${name}`
  }
  return undefined
}

/** The NUMA node that a device is attached to; undefined if the machine does not say (-1). */
export function nodeOfDevice(machine: Machine, folder: string): number | undefined {
  const path = fileAbove(machine, folder, 'numa_node')
  const node = path === undefined ? undefined : numberIn(machine, path)
  return node === undefined || node < 0 ? undefined : node
}
