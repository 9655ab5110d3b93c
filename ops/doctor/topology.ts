import type { NumaNode } from './facts/cpu.ts'
import type { Facts } from './facts/facts.ts'

/** Which node has what. */
export interface Topology {
  readonly sockets: number | undefined
  readonly nodes: readonly (NumaNode & { readonly devices: readonly string[] })[]
  /** Network cards and disks whose node the machine does not tell. */
  readonly elsewhere: readonly string[]
}

export function topologyOf({ cpu, network, places }: Pick<Facts, 'cpu' | 'network' | 'places'>): Topology {
  const uses = new Map<string, { readonly node: number | undefined; readonly by: string[] }>()
  for (const { use, fileSystem } of places) {
    for (const { name, node } of fileSystem?.disks ?? []) {
      const known = uses.get(name) ?? { node, by: [] }
      uses.set(name, known)
      if (!known.by.includes(use)) known.by.push(use)
    }
  }
  const devices = [
    ...network.map(({ name, node }) => ({ name, node })),
    ...[...uses].map(([name, { node, by }]) => ({ name: `${name} (${by.join(', ')})`, node })),
  ]
  const known = new Set(cpu.nodes.map(({ id }) => id))
  const [only, ...others] = cpu.nodes
  // A machine of one node need not say where its devices are.
  const at = (node: number | undefined): number | undefined => (others.length === 0 ? only?.id : node)
  return {
    sockets: cpu.sockets,
    nodes: cpu.nodes.map((node) => ({ ...node, devices: devices.filter((device) => at(device.node) === node.id).map(({ name }) => name) })),
    elsewhere: devices.filter(({ node }) => !known.has(at(node) ?? -1)).map(({ name }) => name),
  }
}
