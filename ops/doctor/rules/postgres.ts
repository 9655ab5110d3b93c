import type { DatabaseServer, Facts } from '../facts/facts.ts'
import { bytes, type Finding, finding, GIB, MIB, type Rule, unknown } from '../rule.ts'

const MINUTE_MS = 60_000
/** Sessions of a service: its own, those that listen or hold a lease, and one that takes over. */
const SESSIONS_PER_SERVICE = 6
/** For operators' commands, the page, backups and the server itself. */
const OTHER_SESSIONS = 30
const MOST_CONNECTIONS = 500
/** Table, primary key and, on TimescaleDB, the index of each chunk that a query has to open. */
const LOCKS_PER_PARTITION = 2
const LEAST_HUGE_BYTES = 8 * GIB

type Restart = 'restart' | 'reload'

function alter(name: string, value: string | number, restart: Restart = 'reload'): string {
  const change = `psql -d telemetry -c "ALTER SYSTEM SET ${name} = '${value}'"`
  return restart === 'restart' ? `${change} && systemctl restart postgresql` : `${change} -c 'SELECT pg_reload_conf()'`
}

function number(server: DatabaseServer, name: string): number | undefined {
  const value = server.settings.values.get(name)
  const parsed = Number(value)
  return value === undefined || Number.isNaN(parsed) ? undefined : parsed
}

/** One finding for each server; nothing for one without that setting. */
function perServer(judge: (server: DatabaseServer, facts: Facts) => Finding | undefined): Rule['judge'] {
  return (facts) =>
    facts.databases.tag === 'unseen'
      ? []
      : facts.databases.value.flatMap((server) => {
          const said = judge(server, facts)
          return said === undefined ? [] : { subject: server.databases, ...said }
        })
}

/** Of a setting that has one right value. */
function must(name: string, value: string, bad: 'fault' | 'advice', command: string): Rule['judge'] {
  return perServer(({ settings }) => {
    const found = settings.values.get(name)
    return found === undefined ? undefined : finding(String(found) === value, bad, { found: String(found), expected: value, command })
  })
}

/** Of a size that should be a share of the machine's memory. */
function share(name: string, least: number, most: number, aim: number, restart: Restart): Rule['judge'] {
  return perServer((server, { memory: { totalBytes } }) => {
    const found = number(server, name)
    if (found === undefined) return undefined
    const expected = `${least * 100} to ${most * 100} % of memory`
    if (!server.local || totalBytes === undefined) return unknown(`${bytes(found)} of a machine that is not seen`, expected)
    const aimed = Math.max(1, Math.round((totalBytes * aim) / GIB))
    return finding(found >= totalBytes * least && found <= totalBytes * most, 'advice', {
      found: `${bytes(found)}, ${Math.round((found / totalBytes) * 100)} % of ${bytes(totalBytes)}`,
      expected,
      command: alter(name, `${aimed}GB`, restart),
    })
  })
}

/** Of a setting that depends on the kind of the disk. */
function byDisk(
  name: string,
  expected: (found: number, seeks: boolean) => readonly [good: boolean, expected: string, value: number],
): Rule['judge'] {
  return perServer((server) => {
    const found = number(server, name)
    if (found === undefined) return undefined
    if (server.disk === undefined || server.disk === 'virtual' || server.disk === 'controller')
      return unknown(`${found}, and the disk is ${server.disk === undefined ? 'not seen' : `hidden (${server.disk})`}`, 'as the disk is')
    const [good, wanted, value] = expected(found, server.disk === 'spinning')
    return finding(good, 'advice', { found: `${found} on ${server.disk}`, expected: wanted, command: alter(name, value) })
  })
}

export const postgresRules: readonly Rule[] = [
  {
    id: 'pg-fsync',
    why: 'Without it a power cut leaves a database that cannot be started, and offsets that say that its rows are there.',
    judge: must('fsync', 'on', 'fault', alter('fsync', 'on')),
  },
  {
    id: 'pg-full-page-writes',
    why: 'Disks write less than a page at once, and half a page cannot be repaired without its image in the WAL.',
    judge: must('full_page_writes', 'on', 'fault', alter('full_page_writes', 'on')),
  },
  {
    id: 'pg-data-checksums',
    why: 'Without them a disk that returns wrong bytes is found out by a wrong reading, and backups have kept it by then.',
    judge: perServer(({ settings }) => {
      const found = String(settings.values.get('data_checksums') ?? '')
      const directory = settings.values.get('data_directory') ?? '"$PGDATA"'
      return finding(found === 'on', 'advice', {
        found,
        expected: 'on',
        command: `systemctl stop postgresql && pg_checksums --enable --progress -D ${directory} && systemctl start postgresql`,
      })
    }),
  },
  {
    id: 'pg-synchronous-commit',
    why: 'The store turns it off for itself, since Kafka has what a crash takes back; accounts, devices and rules have no other copy.',
    judge: perServer(({ settings }) => {
      const found = String(settings.values.get('synchronous_commit') ?? 'on')
      return finding(found !== 'off', 'fault', { found, expected: 'on for the server', command: alter('synchronous_commit', 'on') })
    }),
  },
  {
    id: 'pg-autovacuum',
    why: 'Tables of positions and of the latest readings are updated each second and bloat without it, and old days must be frozen.',
    judge: must('autovacuum', 'on', 'fault', alter('autovacuum', 'on')),
  },
  {
    id: 'pg-shared-buffers',
    why: 'The index pages of the current day are written to at random: once they do not fit, each row costs a read.',
    judge: share('shared_buffers', 0.15, 0.4, 0.25, 'restart'),
  },
  {
    id: 'pg-effective-cache-size',
    why: 'It tells the planner how much of an index is likely to be in memory; too little makes it read whole partitions.',
    judge: share('effective_cache_size', 0.4, 0.8, 0.6, 'reload'),
  },
  {
    id: 'pg-huge-pages',
    why: "With 8 GiB of buffers each connection has 16 MiB of page tables of its own, and misses the processor's cache of them all the time.",
    judge: perServer((server, { memory }) => {
      const [buffers, pages] = [number(server, 'shared_buffers'), number(server, 'shared_memory_size_in_huge_pages')]
      if (!server.local || buffers === undefined || buffers < LEAST_HUGE_BYTES) return undefined
      const reserved = memory.hugePages ?? 0
      const needed = pages !== undefined && pages > 0 ? pages : Math.ceil((buffers * 1.1) / (memory.hugePageBytes ?? 2 * MIB))
      return finding(server.settings.values.get('huge_pages') !== 'off' && reserved >= needed, 'advice', {
        found: `huge_pages ${server.settings.values.get('huge_pages')}, ${reserved} pages reserved`,
        expected: `try, and ${needed} pages`,
        command: `sysctl -w vm.nr_hugepages=${needed} && systemctl restart postgresql   # and in /etc/sysctl.d/millrace.conf`,
      })
    }),
  },
  {
    id: 'pg-max-wal-size',
    why: 'A row makes 215 bytes of WAL: at 100,000 rows a second 1 GiB lasts 50 s, and each checkpoint makes every page whole again.',
    judge: perServer((server) => {
      const found = number(server, 'max_wal_size')
      return found === undefined
        ? undefined
        : finding(found >= 4 * GIB, 'advice', { found: bytes(found), expected: 'at least 4 GiB', command: alter('max_wal_size', '8GB') })
    }),
  },
  {
    id: 'pg-checkpoint-timeout',
    why: 'The first change of a page after a checkpoint writes all of it to the WAL; seldom checkpoints make these few.',
    judge: perServer((server) => {
      const [found, target = 0] = [number(server, 'checkpoint_timeout'), number(server, 'checkpoint_completion_target')]
      return found === undefined
        ? undefined
        : finding(found >= 10 * MINUTE_MS && target >= 0.8, 'advice', {
            found: `${found / MINUTE_MS} min, completion target ${target}`,
            expected: '15 min, at least 10, completion target 0.9',
            command: alter('checkpoint_timeout', '15min'),
          })
    }),
  },
  {
    id: 'pg-wal-compression',
    why: 'Images of pages are most of the WAL after a checkpoint: without compression the same COPY wrote 284,000 rows/s instead of 345,000.',
    judge: perServer(({ settings }) => {
      const found = String(settings.values.get('wal_compression') ?? '')
      return finding(['lz4', 'zstd'].includes(found), 'advice', { found, expected: 'lz4', command: alter('wal_compression', 'lz4') })
    }),
  },
  {
    id: 'pg-max-connections',
    why: 'A service that finds no connection waits as in an outage; hundreds more than needed are memory that a burst of queries takes.',
    judge: perServer((server, { workload }) => {
      const found = number(server, 'max_connections')
      if (found === undefined) return undefined
      const least = workload.services.length * SESSIONS_PER_SERVICE + OTHER_SESSIONS
      return finding(found >= least && found <= MOST_CONNECTIONS, 'advice', {
        found: `${found}, of which ${server.settings.connections} are taken`,
        expected: `${least} to ${MOST_CONNECTIONS} for ${workload.services.length} services`,
        command: alter('max_connections', Math.max(100, least), 'restart'),
      })
    }),
  },
  {
    id: 'pg-work-mem',
    why: 'Each sort of each connection may take so much; what all together may take must leave the memory that the others live on.',
    judge: perServer((server, { memory: { totalBytes } }) => {
      const [found, connections] = [number(server, 'work_mem'), number(server, 'max_connections')]
      if (found === undefined || connections === undefined || !server.local || totalBytes === undefined) return undefined
      const most = Math.max(4 * MIB, totalBytes / 4 / connections)
      return finding(found <= most, 'advice', {
        found: `${bytes(found)} for each of ${connections} connections`,
        expected: `at most ${bytes(most)}, a quarter of memory for all`,
        command: alter('work_mem', `${Math.floor(most / MIB)}MB`),
      })
    }),
  },
  {
    id: 'pg-random-page-cost',
    why: 'The default of 4 is of disks that seek, and makes the planner read a whole partition instead of a few pages of its key.',
    judge: byDisk('random_page_cost', (found, seeks) =>
      seeks ? [found >= 2, 'about 4 on a disk that seeks', 4] : [found <= 2, 'about 1.1 on SSDs', 1.1],
    ),
  },
  {
    id: 'pg-effective-io-concurrency',
    why: 'It is how many pages a bitmap scan asks for ahead: an SSD has queues to fill, and a single disk seeks them one by one.',
    judge: byDisk('effective_io_concurrency', (found, seeks) =>
      seeks ? [found <= 8, '1 or 2 on a disk that seeks', 2] : [found >= 64, '200 on SSDs', 200],
    ),
  },
  {
    id: 'pg-locks',
    why: 'A query over all days locks each partition and its index: with too few locks it fails with "out of shared memory".',
    judge: perServer((server, { workload }) => {
      const [each, connections] = [number(server, 'max_locks_per_transaction'), number(server, 'max_connections')]
      if (each === undefined || connections === undefined) return undefined
      const days = Math.max(server.settings.partitions, workload.retentionDays ?? 0)
      // The pool is shared: a quarter of it for one query leaves room for three more.
      const least = Math.max(64, Math.ceil((days * LOCKS_PER_PARTITION * 4) / connections))
      return finding(each >= least, 'advice', {
        found: `${each} for each of ${connections} connections, ${days} partitions`,
        expected: `at least ${least}`,
        command: alter('max_locks_per_transaction', 2 ** Math.ceil(Math.log2(least)), 'restart'),
      })
    }),
  },
]
