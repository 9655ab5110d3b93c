import type { NumaNode } from './facts/cpu.ts'
import type { Facts, Place } from './facts/facts.ts'
import { cpuList } from './machine.ts'

/** Where a unit of systemd is to run. */
export interface PinnedUnit {
  /** As in `millrace-store.service`. */
  readonly unit: string
  readonly node: number
  readonly cpus: readonly number[]
  readonly because: string
}

/** Where services are to run, or why nowhere in particular. */
export type Pinning = { readonly tag: 'pinned'; readonly units: readonly PinnedUnit[] } | { readonly tag: 'none'; readonly why: string }

interface Choice {
  readonly unit: string
  readonly node: number
  readonly because: string
}

/**
 * A node for each unit by what it talks to most: the database beside its disk, the broker and the
 * bridge beside the network card, the store beside the database. What is left goes where less runs.
 * `preferred` and not `bind` is asked of memory: a node that is full must not kill a service while
 * the other one has room.
 */
export function proposePinning(facts: Facts): Pinning {
  const { nodes } = facts.cpu
  if (nodes.length < 2)
    return {
      tag: 'none',
      why: 'one node: every CPU is as near to memory, disks and network as any other, and weights (ADR 10) do what pinning would',
    }
  const disk = nodeOf(facts.places.find(({ use }) => use === 'database'))
  const card = facts.network.find(({ node }) => node !== undefined)?.node
  if (disk === undefined && card === undefined)
    return { tag: 'none', why: 'the machine says neither which node its network card is at nor which one has the disk of the database' }
  const database = disk ?? other(nodes, card)
  const network = card ?? other(nodes, database)
  const heavy: readonly Choice[] = [
    { unit: 'postgresql@.service', node: database, because: disk === undefined ? 'away from the network card' : 'its disk is there' },
    { unit: 'mosquitto.service', node: network, because: card === undefined ? 'away from the database' : 'the network card is there' },
    kafkaChoice(facts, nodes, database, network),
  ]
  const quiet =
    [...nodes].sort((a, b) => load(heavy, a) - load(heavy, b) || Number(a.id === database) - Number(b.id === database))[0]?.id ?? network
  const services = facts.workload.services.map((name): Choice => {
    const unit = `millrace-${name}.service`
    if (name === 'bridge') return { unit, node: network, because: 'beside the broker' }
    if (name === 'store') return { unit, node: database, because: 'beside the database' }
    return { unit, node: quiet, because: 'where less runs' }
  })
  return {
    tag: 'pinned',
    units: [...heavy, ...services].map((choice) => ({ ...choice, cpus: nodes.find(({ id }) => id === choice.node)?.cpus ?? [] })),
  }
}

function kafkaChoice({ places }: Facts, nodes: readonly NumaNode[], database: number, network: number): Choice {
  const unit = 'kafka.service'
  const own = nodeOf(places.find(({ use }) => use === 'kafka'))
  if (own !== undefined) return { unit, node: own, because: 'its disk is there' }
  return network === database
    ? { unit, node: other(nodes, database), because: 'away from the database and the broker' }
    : { unit, node: network, because: 'beside the bridge, which sends to it' }
}

/** Undefined if its disks are at several nodes, or at none that is known. */
function nodeOf(place: Place | undefined): number | undefined {
  const [first, ...others] = [...new Set(place?.fileSystem?.disks.map(({ node }) => node) ?? [])]
  return others.length === 0 ? first : undefined
}

function other(nodes: readonly NumaNode[], than: number | undefined): number {
  return nodes.find(({ id }) => id !== than)?.id ?? 0
}

function load(choices: readonly Choice[], { id, cpus }: NumaNode): number {
  return choices.filter(({ node }) => node === id).length / cpus.length
}

/** A drop-in for the unit (systemd.exec(5)). */
export function dropIn({ cpus, node, because }: PinnedUnit): string {
  return `# By \`millrace doctor\`: node ${node}, ${because}.
[Service]
CPUAffinity=${cpuList(cpus)}
NUMAPolicy=preferred
NUMAMask=${node}
`
}

/** Where systemd looks for it, below its folder of units. */
export function dropInPath({ unit }: PinnedUnit): string {
  return `${unit}.d/50-millrace-doctor.conf`
}
