import { type Machine, numberIn } from '../machine.ts'
import { kilobytes } from './cpu.ts'

/** Memory channels, each filled or not; or why that is not known. */
export type Channels =
  | { readonly tag: 'known'; readonly populated: number; readonly total: number }
  | { readonly tag: 'unknown'; readonly why: string }

export interface MemoryFacts {
  readonly totalBytes: number | undefined
  readonly swapBytes: number | undefined
  readonly channels: Channels
  /** `always`, `madvise` or `never`. */
  readonly transparentHugePages: string | undefined
  readonly hugePages: number | undefined
  readonly hugePageBytes: number | undefined
  readonly swappiness: number | undefined
  readonly zoneReclaim: number | undefined
  readonly numaBalancing: number | undefined
  /** Dirty bytes from which on writers have to write by themselves; undefined if it is not told. */
  readonly dirtyBytes: number | undefined
  readonly dirtyBackgroundBytes: number | undefined
}

export async function readMemory(machine: Machine): Promise<MemoryFacts> {
  const meminfo = machine.read('/proc/meminfo')
  const totalBytes = kilobytes(meminfo, 'MemTotal')
  return {
    totalBytes,
    swapBytes: kilobytes(meminfo, 'SwapTotal'),
    channels: edacChannels(machine) ?? dmiChannels(await machine.run('dmidecode', ['-t', '17'])),
    transparentHugePages: /\[(\S+)\]/.exec(machine.read('/sys/kernel/mm/transparent_hugepage/enabled') ?? '')?.[1],
    hugePages: numberIn(machine, '/proc/sys/vm/nr_hugepages'),
    hugePageBytes: kilobytes(meminfo, 'Hugepagesize'),
    swappiness: numberIn(machine, '/proc/sys/vm/swappiness'),
    zoneReclaim: numberIn(machine, '/proc/sys/vm/zone_reclaim_mode'),
    numaBalancing: numberIn(machine, '/proc/sys/kernel/numa_balancing'),
    dirtyBytes: dirty(machine, 'dirty', totalBytes),
    dirtyBackgroundBytes: dirty(machine, 'dirty_background', totalBytes),
  }
}

/** The kernel has each limit twice, and the one that is not 0 counts. */
function dirty(machine: Machine, name: string, totalBytes: number | undefined): number | undefined {
  const bytes = numberIn(machine, `/proc/sys/vm/${name}_bytes`)
  if (bytes !== undefined && bytes > 0) return bytes
  const percent = numberIn(machine, `/proc/sys/vm/${name}_ratio`)
  return percent === undefined || totalBytes === undefined ? undefined : (totalBytes * percent) / 100
}

const EDAC = '/sys/devices/system/edac/mc'

/** What the driver of the memory controllers shows to anyone: only slots that are filled. */
function edacChannels(machine: Machine): Channels | undefined {
  let [populated, total] = [0, 0]
  for (const controller of machine.list(EDAC).filter((name) => /^mc\d+$/.test(name))) {
    const last = /channel (\d+)/.exec(machine.read(`${EDAC}/${controller}/max_location`) ?? '')?.[1]
    if (last === undefined) continue
    total += Number(last) + 1
    const filled = machine
      .list(`${EDAC}/${controller}`)
      .filter((name) => /^(?:dimm|rank)\d+$/.test(name) && (numberIn(machine, `${EDAC}/${controller}/${name}/size`) ?? 0) > 0)
      .map((name) => /channel (\d+)/.exec(machine.read(`${EDAC}/${controller}/${name}/dimm_location`) ?? '')?.[1])
    populated += new Set(filled).size
  }
  return total === 0 ? undefined : { tag: 'known', populated, total }
}

/** From what `dmidecode -t 17` prints. Makers name their slots as they like. */
export function dmiChannels(printed: string | undefined): Channels {
  const slots = (printed ?? '').split(/\n(?=Handle )/).filter((part) => part.includes('Memory Device'))
  if (slots.length === 0)
    return { tag: 'unknown', why: 'no driver of the memory controllers is loaded, and dmidecode needs root: `sudo dmidecode -t 17`' }
  const channels = new Map<string, boolean>()
  for (const slot of slots) {
    const names = [...slot.matchAll(/^\s*(?:Bank )?Locator: (.*)$/gm)].map(([, name]) => name ?? '').join(' ')
    const [, channel = /DIMM[_ ]?([A-P])\d?\b/i.exec(names)?.[1]] = /CHANNEL[ _]?([A-Z0-9]+)/i.exec(names) ?? []
    if (channel === undefined) return { tag: 'unknown', why: `the slots of this board do not name their channels, as in "${names.trim()}"` }
    const socket = /(?:NODE|CPU|P|PROC)[ _]?(\d)/i.exec(names)?.[1] ?? '0'
    const filled = !/Size: (?:No Module Installed|0)/.test(slot)
    const key = `${socket}/${channel.toUpperCase()}`
    channels.set(key, filled || channels.get(key) === true)
  }
  return { tag: 'known', populated: [...channels.values()].filter(Boolean).length, total: channels.size }
}
