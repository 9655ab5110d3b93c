import type { Disk, DiskKind } from '../facts/disks.ts'
import type { Place } from '../facts/facts.ts'
import { bytes, type Finding, finding, type Rule, unknown } from '../rule.ts'

/** A platter of 15,000 rpm comes round 250 times a second. */
const MOST_OF_A_PLATTER = 400
const GOOD_SYNCS = 500
const LEAST_SYNCS = 50
const LEAST_FREE = 0.15
/** File systems whose sync is another machine's promise, or none. */
const NOT_LOCAL = /^(?:nfs|cifs|smb|9p|fuse|ceph|glusterfs|tmpfs|ramfs)/

const disksOf = (place: Place | undefined): readonly Disk[] => place?.fileSystem?.disks ?? []
const named = (disks: readonly Disk[]): string =>
  disks.map(({ name, kind, transport }) => `${name} (${described(kind, transport)})`).join(', ')

function described(kind: DiskKind, transport: string): string {
  switch (kind) {
    case 'nvme':
      return 'NVMe'
    case 'ssd':
      return `SSD, ${transport.toUpperCase()}`
    case 'spinning':
      return `spinning, ${transport.toUpperCase()}`
    case 'virtual':
      return 'virtual'
    case 'controller':
      return 'behind a controller'
  }
}

/** One finding for each place of a server. */
function perPlace(places: readonly Place[], judge: (place: Place, disks: readonly Disk[]) => Finding | undefined): readonly Finding[] {
  return places.flatMap((place) => judge(place, disksOf(place)) ?? [])
}

export const diskRules: readonly Rule[] = [
  {
    id: 'disk-class',
    why: 'Rows come in the order of arrival and go to as many index pages as there are devices: a disk that seeks manages a hundred or two of these a second.',
    judge: ({ places }) =>
      perPlace(places, ({ what, path }, disks) => {
        const expected = 'NVMe, or another SSD; spinning only for the archive'
        if (disks.length === 0) return unknown(`no disk is known below ${path}`, expected, what)
        if (disks.every(({ kind }) => kind === 'virtual' || kind === 'controller'))
          return unknown(`${named(disks)} hides its disks: look at disk-sync-rate`, expected, what)
        return finding(!disks.some(({ kind }) => kind === 'spinning'), 'advice', { subject: what, found: named(disks), expected })
      }),
  },
  {
    id: 'disk-sync-rate',
    why: "Business processes commit synchronously, and each commit waits for one fdatasync of the WAL; the store's do not wait.",
    judge: ({ sync }) => {
      const expected = `at least ${GOOD_SYNCS} fdatasync/s`
      if (sync.tag === 'unseen') return [unknown(sync.why, expected)]
      const { perSecond, slowestMs, folder, fileSystem } = sync.value
      return [
        finding(perSecond >= GOOD_SYNCS, perSecond < LEAST_SYNCS ? 'fault' : 'advice', {
          subject: folder,
          found: `${Math.round(perSecond)}/s, slowest ${slowestMs.toFixed(1)} ms, ${named(fileSystem?.disks ?? []) || 'unknown disk'}`,
          expected,
          command: 'move pg_wal to an SSD with power-loss protection (disk-wal-device says how)',
        }),
      ]
    },
  },
  {
    id: 'disk-sync-honest',
    why: 'A spinning disk that confirms more often than it turns has put the data into a cache that a power cut empties.',
    judge: ({ sync }) => {
      if (sync.tag === 'unseen') return []
      const { perSecond, fileSystem } = sync.value
      const disks = fileSystem?.disks ?? []
      if (disks.length === 0 || !disks.every(({ kind }) => kind === 'spinning')) return []
      return [
        finding(perSecond <= MOST_OF_A_PLATTER, 'fault', {
          subject: named(disks),
          found: `${Math.round(perSecond)} fdatasync/s`,
          expected: `at most ${MOST_OF_A_PLATTER}/s of a disk that spins`,
          command: disks
            .map(({ name, transport }) => (transport === 'sas' ? `sdparm --clear=WCE --save /dev/${name}` : `hdparm -W0 /dev/${name}`))
            .join('; '),
        }),
      ]
    },
  },
  {
    id: 'disk-wal-device',
    why: "The WAL is written in order and the tables are not: on one slow disk each fdatasync waits for the other's writes.",
    judge: ({ places }) =>
      places
        .filter(({ use }) => use === 'wal')
        .flatMap((wal) => {
          const own = disksOf(wal)
          const data = new Set(
            disksOf(places.find(({ use, server }) => use === 'database' && server === wal.server)).map(({ name }) => name),
          )
          if (own.length === 0 || own.every(({ kind }) => kind === 'nvme' || kind === 'virtual')) return []
          const apart = own.every(({ name }) => !data.has(name))
          return [
            finding(apart, 'advice', {
              subject: wal.what,
              found: `${named(own)}${apart ? '' : ', with the data'}`,
              expected: 'a device of its own, if it is no NVMe',
              command: `systemctl stop postgresql && mv ${wal.path} /OTHER/pg_wal && ln -s /OTHER/pg_wal ${wal.path} && systemctl start postgresql`,
            }),
          ]
        }),
  },
  {
    id: 'disk-filesystem',
    why: 'A database or a log on a file system in memory or of another machine is as durable as that is.',
    judge: ({ places }) =>
      perPlace(places, ({ what, fileSystem }) =>
        fileSystem === undefined
          ? undefined
          : finding(!NOT_LOCAL.test(fileSystem.type), 'fault', {
              subject: what,
              found: `${fileSystem.type} at ${fileSystem.mountedAt}`,
              expected: 'ext4 or XFS on a disk of this machine',
            }),
      ),
  },
  {
    id: 'disk-barriers',
    why: 'Without barriers a commit is confirmed before the disk has it.',
    judge: ({ places }) =>
      perPlace(places, ({ what, fileSystem }) => {
        if (fileSystem === undefined) return undefined
        const off = fileSystem.options.find((option) => option === 'nobarrier' || option === 'barrier=0')
        return finding(off === undefined, 'fault', {
          subject: what,
          found: off ?? 'on',
          expected: 'on',
          command: `mount -o remount,barrier=1 ${fileSystem.mountedAt}   # and take ${off} out of /etc/fstab`,
        })
      }),
  },
  {
    id: 'disk-scheduler',
    why: 'An NVMe disk orders its requests better than a scheduler in front of it; a disk that seeks needs one.',
    judge: ({ places }) => {
      const disks = new Map(places.flatMap((place) => disksOf(place).map((disk) => [disk.name, disk] as const)))
      return [...disks.values()]
        .filter(({ kind, scheduler }) => (kind === 'nvme' || kind === 'spinning') && scheduler !== undefined)
        .map(({ name, kind, scheduler = '' }) => {
          const wanted = kind === 'nvme' ? 'none' : 'mq-deadline'
          return finding(kind === 'nvme' ? scheduler === 'none' : scheduler !== 'none', 'advice', {
            subject: name,
            found: scheduler,
            expected: wanted,
            command: `echo ${wanted} > /sys/block/${name}/queue/scheduler   # for good: a udev rule`,
          })
        })
    },
  },
  {
    id: 'disk-space',
    why: 'A full disk stops Kafka for good and the database until somebody makes room: each is better noticed with a day to spare.',
    judge: ({ places }) =>
      perPlace(places, ({ what, path, space }) => {
        if (space === undefined) return undefined
        return finding(space.freeBytes >= space.totalBytes * LEAST_FREE, 'advice', {
          subject: what,
          found: `${bytes(space.freeBytes)} of ${bytes(space.totalBytes)} free`,
          expected: `at least ${LEAST_FREE * 100} % free`,
          command: `du -xh --max-depth=2 ${path} | sort -h | tail`,
        })
      }),
  },
]
