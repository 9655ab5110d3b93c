import { dirname } from 'node:path'
import { type Machine, numberIn, parseCpuList } from '../machine.ts'
import { nodeOfDevice } from './devices.ts'

/** An interrupt of a network card, and the CPUs that may take it. */
export interface CardInterrupt {
  readonly irq: number
  readonly cpus: readonly number[]
}

/** A network card whose link is up. */
export interface NetworkCard {
  readonly name: string
  readonly node: number | undefined
  readonly speedMbit: number | undefined
  /** Those of its receive and transmit queues; none if the machine does not tell. */
  readonly interrupts: readonly CardInterrupt[]
  readonly receiveQueues: number
}

const NET = '/sys/class/net'

/** Cards with a device behind them: bridges, tunnels and loopback have none. */
export function readNetwork(machine: Machine): readonly NetworkCard[] {
  return machine.list(NET).flatMap((name) => {
    const device = machine.real(`${NET}/${name}/device`)
    if (device === undefined || machine.read(`${NET}/${name}/carrier`) !== '1') return []
    const speed = numberIn(machine, `${NET}/${name}/speed`)
    return {
      name,
      node: nodeOfDevice(machine, device),
      speedMbit: speed !== undefined && speed > 0 ? speed : undefined,
      interrupts: interruptsOf(machine, name, device),
      receiveQueues: machine.list(`${NET}/${name}/queues`).filter((queue) => queue.startsWith('rx-')).length,
    }
  })
}

/**
 * The device's own interrupts by /sys, of a virtual card its parent's. What has no traffic of its
 * own (configuration, events) is left out by its name in /proc/interrupts.
 */
function interruptsOf(machine: Machine, name: string, device: string): readonly CardInterrupt[] {
  const own = [device, dirname(device)].map((folder) => machine.list(`${folder}/msi_irqs`)).find((irqs) => irqs.length > 0) ?? []
  const labels = new Map(
    [...(machine.read('/proc/interrupts') ?? '').matchAll(/^\s*(\d+):.*?(\S+)$/gm)].map(([, irq = '', label = '']) => [irq, label]),
  )
  const virtual = device.slice(device.lastIndexOf('/') + 1)
  const named = [...labels].filter(([, label]) => label.startsWith(`${name}-`) || label.startsWith(`${virtual}-`)).map(([irq]) => irq)
  return [...new Set([...own, ...named])]
    .filter((irq) => labels.has(irq) && !/(?:config|event|async|ctrl|misc|fdir|mgmt|stats)/i.test(labels.get(irq) ?? ''))
    .map((irq) => ({ irq: Number(irq), cpus: parseCpuList(machine.read(`/proc/irq/${irq}/smp_affinity_list`) ?? '') }))
    .filter(({ cpus }) => cpus.length > 0)
}
