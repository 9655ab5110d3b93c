import type { Tree } from './tree.ts'

/** A device with its node, or without one, as most machines of one socket show it (-1). */
interface Attached {
  readonly pci: string
  readonly node: number
}

interface Node {
  readonly cpus: string
  readonly gib: number
}

const CPU = '/sys/devices/system/cpu'

function processors(nodes: readonly Node[], governor: string): Tree {
  const tree: Record<string, string> = { [`${CPU}/online`]: `0-${Number(nodes.at(-1)?.cpus.split(/\D/).at(-1))}` }
  for (const [id, { cpus, gib }] of nodes.entries()) {
    tree[`/sys/devices/system/node/node${id}/cpulist`] = cpus
    tree[`/sys/devices/system/node/node${id}/meminfo`] = `Node ${id} MemTotal:       ${gib * 1_048_576} kB\n`
    for (const range of cpus.split(',')) {
      const [first = 0, last = first] = range.split('-').map(Number)
      for (let cpu = first; cpu <= last; cpu++) {
        tree[`${CPU}/cpu${cpu}/topology/physical_package_id`] = String(id)
        tree[`${CPU}/cpu${cpu}/cpufreq/scaling_governor`] = governor
        tree[`${CPU}/cpu${cpu}/cpufreq/scaling_driver`] = 'acpi-cpufreq'
      }
    }
  }
  const total = nodes.reduce((sum, { gib }) => sum + gib, 0) * 1_048_576
  return {
    ...tree,
    '/sys/devices/system/clocksource/clocksource0/current_clocksource': 'tsc',
    '/proc/meminfo': `MemTotal:       ${total} kB\nSwapTotal:       8388604 kB\nHugepagesize:       2048 kB\n`,
    '/sys/kernel/mm/transparent_hugepage/enabled': 'always [madvise] never',
    '/proc/sys/vm/nr_hugepages': '0',
    '/proc/sys/vm/swappiness': '60',
    '/proc/sys/vm/zone_reclaim_mode': '0',
    '/proc/sys/kernel/numa_balancing': '1',
    '/proc/sys/vm/dirty_bytes': '0',
    '/proc/sys/vm/dirty_ratio': '20',
    '/proc/sys/vm/dirty_background_bytes': '0',
    '/proc/sys/vm/dirty_background_ratio': '10',
    '/proc/sys/vm/max_map_count': '65530',
    '/proc/sys/fs/file-max': '9223372036854775807',
    '/proc/sys/net/core/somaxconn': '4096',
  }
}

function card(name: string, { pci, node }: Attached, irqs: readonly number[], cpus: string): Tree {
  const device = `/sys/devices/pci0000:00/${pci}`
  const tree: Record<string, Tree[string]> = {
    [`/sys/class/net/${name}`]: { link: `${device}/net/${name}` },
    [`${device}/net/${name}/device`]: { link: device },
    [`${device}/net/${name}/carrier`]: '1',
    [`${device}/net/${name}/speed`]: '10000',
    [`${device}/numa_node`]: String(node),
    '/proc/interrupts': irqs.map((irq, queue) => ` ${irq}:  1  2  PCI-MSI ${irq}-edge      ${name}-TxRx-${queue}\n`).join(''),
  }
  for (const [queue, irq] of irqs.entries()) {
    tree[`${device}/msi_irqs/${irq}`] = 'msix'
    tree[`${device}/net/${name}/queues/rx-${queue}/rps_cpus`] = '0'
    tree[`/proc/irq/${irq}/smp_affinity_list`] = cpus
  }
  return tree
}

/** @param below path of the disk under its controller */
function disk(name: string, number: string, { pci, node }: Attached, below: string, queue: Readonly<Record<string, string>>): Tree {
  const folder = `/sys/devices/pci0000:00/${pci}/${below}/${name}`
  return {
    [`/sys/devices/pci0000:00/${pci}/numa_node`]: String(node),
    [`/sys/class/block/${name}`]: { link: folder },
    [`/sys/dev/block/${number}`]: { link: folder },
    [`${folder}/dev`]: number,
    ...Object.fromEntries(Object.entries(queue).map(([file, content]) => [`${folder}/queue/${file}`, content])),
  }
}

const mounts = (...lines: readonly string[]): Tree => ({
  '/proc/self/mountinfo': `22 1 0:21 / /proc rw - proc proc rw\n${lines.join('\n')}\n`,
})

/** Paths as Debian's packages have them. */
export const DATA = '/var/lib/postgresql/15/main'
export const KAFKA = '/var/lib/kafka'
const FOLDERS: Tree = { [`${DATA}/PG_VERSION`]: '15', [`${KAFKA}/meta.properties`]: 'version=1' }
const WAL_INSIDE: Tree = { [`${DATA}/pg_wal/000000010000000000000001`]: '' }

const TWO_SOCKETS: readonly Node[] = [
  { cpus: '0-7,16-23', gib: 128 },
  { cpus: '8-15,24-31', gib: 128 },
]

/**
 * Two sockets; the card is at node 0 and its interrupts go everywhere, the NVMe disk of the
 * database at node 1, that of Kafka at node 0. Node 1 has half of its channels filled.
 */
export const twoSocketsNvme: Tree = {
  ...processors(TWO_SOCKETS, 'performance'),
  ...card('eno1', { pci: '0000:17:00.0', node: 0 }, [64, 65, 66, 67], '0-31'),
  ...disk('nvme0n1', '259:0', { pci: '0000:b1:00.0', node: 1 }, 'nvme/nvme0', { rotational: '0', scheduler: '[none] mq-deadline' }),
  ...disk('nvme1n1', '259:1', { pci: '0000:18:00.0', node: 0 }, 'nvme/nvme1', { rotational: '0', scheduler: 'none [mq-deadline]' }),
  ...mounts('40 1 259:0 / / rw,noatime - xfs /dev/nvme0n1 rw', `41 1 259:1 / ${KAFKA} rw,noatime - xfs /dev/nvme1n1 rw`),
  ...FOLDERS,
  ...WAL_INSIDE,
  '/sys/devices/system/edac/mc/mc0/max_location': 'channel 1 slot 0 ',
  '/sys/devices/system/edac/mc/mc0/dimm0/dimm_location': 'channel 0 slot 0 ',
  '/sys/devices/system/edac/mc/mc0/dimm0/size': '65536',
  '/sys/devices/system/edac/mc/mc0/dimm1/dimm_location': 'channel 1 slot 0 ',
  '/sys/devices/system/edac/mc/mc0/dimm1/size': '65536',
  '/sys/devices/system/edac/mc/mc1/max_location': 'channel 1 slot 0 ',
  '/sys/devices/system/edac/mc/mc1/dimm0/dimm_location': 'channel 0 slot 0 ',
  '/sys/devices/system/edac/mc/mc1/dimm0/size': '131072',
}

/** Two sockets; LVM over two SAS disks that spin, at node 1 with the card; WAL on a SATA SSD. */
export const twoSocketsSas: Tree = {
  ...processors(TWO_SOCKETS, 'powersave'),
  ...card('ens2f0', { pci: '0000:af:00.0', node: 1 }, [80, 81], '8'),
  ...disk('sda', '8:0', { pci: '0000:86:00.0', node: 1 }, 'host0/port-0:0/end_device-0:0/target0:0:0/0:0:0:0/block', {
    rotational: '1',
    scheduler: 'none [mq-deadline]',
  }),
  ...disk('sdb', '8:16', { pci: '0000:86:00.0', node: 1 }, 'host0/port-0:1/end_device-0:1/target0:0:1/0:0:1:0/block', {
    rotational: '1',
    scheduler: '[none] mq-deadline',
  }),
  ...disk('sdc', '8:32', { pci: '0000:00:17.0', node: 0 }, 'ata1/host1/target1:0:0/1:0:0:0/block', {
    rotational: '0',
    scheduler: '[mq-deadline]',
  }),
  '/sys/dev/block/253:0': { link: '/sys/devices/virtual/block/dm-0' },
  '/sys/devices/virtual/block/dm-0/slaves/sda': { link: '/sys/class/block/sda' },
  '/sys/devices/virtual/block/dm-0/slaves/sdb': { link: '/sys/class/block/sdb' },
  ...mounts('40 1 253:0 / / rw,relatime - ext4 /dev/mapper/vg-root rw', '41 1 8:32 / /wal rw,relatime - ext4 /dev/sdc rw,barrier=0'),
  ...FOLDERS,
  [`${DATA}/pg_wal`]: { link: '/wal/pg_wal' },
  '/wal/pg_wal/000000010000000000000001': '',
}

/** One socket with a SATA SSD; the machine does not say at which node anything is. */
export const oneSocketSsd: Tree = {
  ...processors([{ cpus: '0-7', gib: 32 }], 'ondemand'),
  ...card('enp3s0', { pci: '0000:03:00.0', node: -1 }, [40, 41], '0-7'),
  ...disk('sda', '8:0', { pci: '0000:00:17.0', node: -1 }, 'ata1/host0/target0:0:0/0:0:0:0/block', {
    rotational: '0',
    scheduler: '[mq-deadline] none',
  }),
  '/sys/devices/pci0000:00/0000:00:17.0/ata1/host0/target0:0:0/0:0:0:0/block/sda/sda2/partition': '2',
  '/sys/dev/block/8:2': { link: '/sys/devices/pci0000:00/0000:00:17.0/ata1/host0/target0:0:0/0:0:0:0/block/sda/sda2' },
  ...mounts('40 1 8:2 / / rw,relatime - ext4 /dev/sda2 rw'),
  ...FOLDERS,
  ...WAL_INSIDE,
}

/** One socket with a disk that spins, which has everything; Kafka's log is in memory. */
export const oneSocketSpinning: Tree = {
  ...processors([{ cpus: '0-3', gib: 16 }], 'performance'),
  ...card('eth0', { pci: '0000:02:00.0', node: -1 }, [30], '0'),
  ...disk('sda', '8:0', { pci: '0000:00:1f.2', node: -1 }, 'ata1/host0/target0:0:0/0:0:0:0/block', {
    rotational: '1',
    scheduler: '[mq-deadline] none',
  }),
  ...mounts('40 1 8:0 / / rw,relatime - ext4 /dev/sda rw', `41 1 0:40 / ${KAFKA} rw - tmpfs tmpfs rw`),
  ...FOLDERS,
  ...WAL_INSIDE,
}

export const TOPOLOGIES = { twoSocketsNvme, twoSocketsSas, oneSocketSsd, oneSocketSpinning } as const
