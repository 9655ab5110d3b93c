import { type Machine, numberIn } from '../machine.ts'
import { nodeOfDevice } from './devices.ts'

/**
 * What a disk is to its users. `virtual` and `controller` hide what is behind them: only what is
 * measured tells.
 */
export type DiskKind = 'nvme' | 'ssd' | 'spinning' | 'virtual' | 'controller'

export interface Disk {
  readonly name: string
  readonly kind: DiskKind
  /** `nvme`, `sata`, `sas`, `usb`, `virtual`, or `scsi` if the path to it does not tell. */
  readonly transport: string
  readonly model: string | undefined
  readonly node: number | undefined
  readonly scheduler: string | undefined
}

/** The file system that a path is on. */
export interface FileSystem {
  readonly mountedAt: string
  readonly type: string
  /** Of the mount and of the file system. */
  readonly options: readonly string[]
  /**
   * Those that it lies on: several below RAID or LVM, none for one in memory or on another machine.
   */
  readonly disks: readonly Disk[]
}

interface Mount {
  readonly device: string
  readonly mountedAt: string
  readonly type: string
  readonly options: readonly string[]
  readonly source: string
}

/** Undefined if the machine does not tell. */
export function fileSystemOf(machine: Machine, path: string): FileSystem | undefined {
  const real = machine.real(path) ?? path
  const mounts = (machine.read('/proc/self/mountinfo') ?? '').split('\n').flatMap((line) => parseMount(line) ?? [])
  const above = mounts.filter(({ mountedAt }) => real === mountedAt || real.startsWith(mountedAt === '/' ? '/' : `${mountedAt}/`))
  // Of two at one place the later one hides the earlier.
  const mount = above.reduce<Mount | undefined>(
    (best, each) => (best !== undefined && best.mountedAt.length > each.mountedAt.length ? best : each),
    undefined,
  )
  if (mount === undefined) return undefined
  const { mountedAt, type, options } = mount
  return { mountedAt, type, options, disks: disksBelow(machine, deviceFolder(machine, mount)) }
}

/** proc(5), "/proc/pid/mountinfo". */
function parseMount(line: string): Mount | undefined {
  const [front = '', back = ''] = line.split(' - ')
  const [, , device, , mountedAt, options] = front.split(' ')
  const [type, source, more = ''] = back.split(' ')
  if (device === undefined || mountedAt === undefined || type === undefined) return undefined
  const plain = (text: string): string => text.replace(/\\(\d{3})/g, (_, octal: string) => String.fromCharCode(Number.parseInt(octal, 8)))
  return { device, mountedAt: plain(mountedAt), type, options: [...(options ?? '').split(','), ...more.split(',')], source: source ?? '' }
}

function deviceFolder(machine: Machine, { device, source }: Mount): string | undefined {
  // btrfs and the like have a device number that is no block device's.
  return (
    machine.real(`/sys/dev/block/${device}`) ??
    (source.startsWith('/dev/') ? machine.real(`/sys/class/block/${source.slice(5)}`) : undefined)
  )
}

function disksBelow(machine: Machine, folder: string | undefined): readonly Disk[] {
  if (folder === undefined) return []
  const slaves = machine.list(`${folder}/slaves`)
  if (slaves.length > 0) {
    const below = slaves.flatMap((name) => disksBelow(machine, machine.real(`${folder}/slaves/${name}`)))
    return [...new Map(below.map((disk) => [disk.name, disk])).values()]
  }
  if (machine.read(`${folder}/partition`) !== undefined) return disksBelow(machine, folder.slice(0, folder.lastIndexOf('/')))
  return [diskAt(machine, folder)]
}

function diskAt(machine: Machine, folder: string): Disk {
  const name = folder.slice(folder.lastIndexOf('/') + 1)
  const model = machine.read(`${folder}/device/model`)
  const transport = transportOf(name, folder, `${machine.read(`${folder}/device/vendor`) ?? ''} ${model ?? ''}`)
  return {
    name,
    kind: kindOf(transport, numberIn(machine, `${folder}/queue/rotational`)),
    transport,
    model,
    node: nodeOfDevice(machine, folder),
    scheduler: /\[(\S+)\]/.exec(machine.read(`${folder}/queue/scheduler`) ?? '')?.[1],
  }
}

function transportOf(name: string, folder: string, maker: string): string {
  if (name.startsWith('nvme')) return 'nvme'
  if (folder.includes('/virtio') || /^(?:vd|xvd)[a-z]/.test(name) || /QEMU|VMware|VBOX|Msft|Google|Amazon/i.test(maker)) return 'virtual'
  if (/\/ata\d+\//.test(folder)) return 'sata'
  if (folder.includes('/end_device-')) return 'sas'
  if (/\/usb\d+\//.test(folder)) return 'usb'
  return 'scsi'
}

function kindOf(transport: string, rotational: number | undefined): DiskKind {
  if (transport === 'nvme') return 'nvme'
  if (transport === 'virtual') return 'virtual'
  // A RAID controller shows its volumes as disks, and says of most that they spin.
  if (transport === 'scsi') return 'controller'
  return rotational === 0 ? 'ssd' : 'spinning'
}
