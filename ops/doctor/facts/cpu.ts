import { type Machine, numberIn, parseCpuList } from '../machine.ts'

/** CPUs that share a memory controller, as a rule a socket or a part of one. */
export interface NumaNode {
  readonly id: number
  readonly cpus: readonly number[]
  readonly memoryBytes: number | undefined
}

export interface CpuFacts {
  /** At least one; a machine without NUMA is one node. */
  readonly nodes: readonly NumaNode[]
  readonly sockets: number | undefined
  /** Distinct governors of all CPUs; none if the machine does not tell, as in most virtual ones. */
  readonly governors: readonly string[]
  readonly scalingDriver: string | undefined
  /** Of drivers that decide by themselves (intel_pstate, amd-pstate-epp). */
  readonly energyPreference: string | undefined
  readonly clocksource: string | undefined
}

const CPU = '/sys/devices/system/cpu'
const NODE = '/sys/devices/system/node'

export function readCpu(machine: Machine): CpuFacts {
  const online = parseCpuList(machine.read(`${CPU}/online`) ?? '')
  const packages = online.flatMap((cpu) => numberIn(machine, `${CPU}/cpu${cpu}/topology/physical_package_id`) ?? [])
  const governors = online.flatMap((cpu) => machine.read(`${CPU}/cpu${cpu}/cpufreq/scaling_governor`) ?? [])
  const [first = 0] = online
  return {
    nodes: nodesOf(machine, online),
    sockets: packages.length === 0 ? undefined : new Set(packages).size,
    governors: [...new Set(governors)],
    scalingDriver: machine.read(`${CPU}/cpu${first}/cpufreq/scaling_driver`),
    energyPreference: machine.read(`${CPU}/cpu${first}/cpufreq/energy_performance_preference`),
    clocksource: machine.read('/sys/devices/system/clocksource/clocksource0/current_clocksource'),
  }
}

function nodesOf(machine: Machine, online: readonly number[]): readonly NumaNode[] {
  const ids = machine.list(NODE).flatMap((name) => /^node(\d+)$/.exec(name)?.[1] ?? [])
  const nodes = ids.map((id) => ({
    id: Number(id),
    cpus: parseCpuList(machine.read(`${NODE}/node${id}/cpulist`) ?? ''),
    memoryBytes: kilobytes(machine.read(`${NODE}/node${id}/meminfo`), 'MemTotal'),
  }))
  // Memory alone (CXL, persistent memory) runs no service.
  const withCpus = nodes.filter(({ cpus }) => cpus.length > 0)
  return withCpus.length > 0 ? withCpus : [{ id: 0, cpus: online, memoryBytes: kilobytes(machine.read('/proc/meminfo'), 'MemTotal') }]
}

/** A line of `meminfo`, in bytes. */
export function kilobytes(meminfo: string | undefined, name: string): number | undefined {
  const found = new RegExp(`${name}:\\s+(\\d+) kB`).exec(meminfo ?? '')?.[1]
  return found === undefined ? undefined : Number(found) * 1_024
}
