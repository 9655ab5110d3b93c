import { expect } from 'chai'
import { factsOf, server } from '../../test/machines/facts.ts'
import { oneSocketSsd, twoSocketsNvme } from '../../test/machines/topologies.ts'
import type { Tree } from '../../test/machines/tree.ts'
import { examine } from './examine.ts'
import type { DiskKind } from './facts/disks.ts'
import type { DatabaseServer, Facts } from './facts/facts.ts'
import { dmiChannels } from './facts/memory.ts'
import { chronyState } from './facts/system.ts'
import { cpuList, parseCpuList } from './machine.ts'
import { bytes, GIB, MIB } from './rule.ts'

/** What a rule says of these facts: its severity, and what was found. */
function verdict(facts: Facts, rule: string): readonly [severity: string, found: string] | undefined {
  const said = examine(facts).diagnoses.find((each) => each.rule === rule)
  return said === undefined ? undefined : [said.severity, said.found]
}

const severity = (facts: Facts, rule: string): string | undefined => verdict(facts, rule)?.[0]

async function withServer(settings: Readonly<Record<string, string | number>>, more: Partial<DatabaseServer> = {}): Promise<Facts> {
  return { ...(await factsOf(oneSocketSsd)), databases: { tag: 'seen', value: [{ ...server(settings), ...more }] } }
}

async function withKafka(
  topic: Readonly<Record<string, string>>,
  { replicas = 3, brokers = 3, broker = {} }: { replicas?: number; brokers?: number; broker?: Readonly<Record<string, string>> } = {},
): Promise<Facts> {
  const values = new Map(Object.entries(broker))
  return {
    ...(await factsOf(oneSocketSsd)),
    kafka: {
      tag: 'seen',
      value: {
        local: true,
        brokers: Array.from({ length: brokers }, (_, id) => ({ id, host: 'localhost', values })),
        topics: [{ topic: 'telemetry.frames' as never, partitions: 6, replicas, values: new Map(Object.entries(topic)) }],
      },
    },
  }
}

const onDisk = (kind: DiskKind) => ({ disk: kind })

describe('rules for PostgreSQL', () => {
  it('call what loses data a fault', async () => {
    const facts = await withServer({
      fsync: 'off',
      full_page_writes: 'off',
      synchronous_commit: 'off',
      autovacuum: 'off',
      data_checksums: 'off',
    })
    for (const rule of ['pg-fsync', 'pg-full-page-writes', 'pg-synchronous-commit', 'pg-autovacuum'])
      expect(severity(facts, rule), rule).to.equal('fault')
    expect(severity(facts, 'pg-data-checksums')).to.equal('advice')
  })

  it('judge buffers by the memory of the machine that the server is on, and by no other', async () => {
    expect(verdict(await withServer({ shared_buffers: 128 * MIB }), 'pg-shared-buffers')).to.deep.equal([
      'advice',
      '128 MiB, 0 % of 32 GiB',
    ])
    expect(severity(await withServer({ shared_buffers: 8 * GIB }), 'pg-shared-buffers')).to.equal('good')
    expect(severity(await withServer({ shared_buffers: 128 * MIB }, { local: false }), 'pg-shared-buffers')).to.equal('unknown')
  })

  it('want huge pages for large buffers only, and as many as the server needs', async () => {
    expect(severity(await withServer({ shared_buffers: GIB, huge_pages: 'try' }), 'pg-huge-pages')).to.equal(undefined)
    const facts = await withServer({ shared_buffers: 8 * GIB, huge_pages: 'try', shared_memory_size_in_huge_pages: '4230' })
    const [said] = examine(facts).diagnoses.filter(({ rule }) => rule === 'pg-huge-pages')
    expect(said?.command).to.include('vm.nr_hugepages=4230')
  })

  it('take the costs of pages from the kind of the disk, and say nothing of one that is hidden', async () => {
    const costs = { random_page_cost: '4', effective_io_concurrency: '1' }
    for (const [kind, expected] of [
      ['nvme', 'advice'],
      ['ssd', 'advice'],
      ['spinning', 'good'],
      ['virtual', 'unknown'],
      ['controller', 'unknown'],
    ] as const) {
      const facts = await withServer(costs, onDisk(kind))
      expect([severity(facts, 'pg-random-page-cost'), severity(facts, 'pg-effective-io-concurrency')], kind).to.deep.equal([
        expected,
        expected,
      ])
    }
    expect(severity(await withServer({ random_page_cost: '1.1' }, onDisk('spinning')), 'pg-random-page-cost')).to.equal('advice')
  })

  it('want connections for the services of the configuration, and locks for the partitions that there are', async () => {
    expect(severity(await withServer({ max_connections: '50' }), 'pg-max-connections')).to.equal('advice')
    expect(severity(await withServer({ max_connections: '100' }), 'pg-max-connections')).to.equal('good')
    expect(severity(await withServer({ max_connections: '2000' }), 'pg-max-connections')).to.equal('advice')
    const locks = { max_connections: '100', max_locks_per_transaction: '64' }
    const partitions = (count: number) => ({ settings: { ...server(locks).settings, partitions: count } })
    expect(severity(await withServer(locks, partitions(30)), 'pg-locks')).to.equal('good')
    expect(severity(await withServer(locks, partitions(1_500)), 'pg-locks')).to.equal('advice')
  })

  it('have WAL for minutes, and checkpoints that are seldom', async () => {
    const small = await withServer({
      max_wal_size: GIB,
      checkpoint_timeout: 300_000,
      checkpoint_completion_target: '0.9',
      wal_compression: 'off',
    })
    for (const rule of ['pg-max-wal-size', 'pg-checkpoint-timeout', 'pg-wal-compression'])
      expect(severity(small, rule), rule).to.equal('advice')
    const large = await withServer({
      max_wal_size: 8 * GIB,
      checkpoint_timeout: 900_000,
      checkpoint_completion_target: '0.9',
      wal_compression: 'lz4',
    })
    for (const rule of ['pg-max-wal-size', 'pg-checkpoint-timeout', 'pg-wal-compression'])
      expect(severity(large, rule), rule).to.equal('good')
  })

  it('name the server that they are about', async () => {
    const [said] = examine(await withServer({ fsync: 'off' })).diagnoses.filter(({ rule }) => rule === 'pg-fsync')
    expect(said?.subject).to.equal('telemetry, app')
  })
})

describe('rules for Kafka', () => {
  it('call a log in /tmp, an unclean election and acknowledgements by one copy faults', async () => {
    const facts = await withKafka(
      { 'unclean.leader.election.enable': 'true', 'min.insync.replicas': '1' },
      { broker: { 'log.dirs': '/tmp/kraft-combined-logs' } },
    )
    for (const rule of ['kafka-log-dirs', 'kafka-unclean-election', 'kafka-min-isr']) expect(severity(facts, rule), rule).to.equal('fault')
  })

  it('want one copy to be spare: as many in step as there are copies stops the line with the first broker', async () => {
    expect(severity(await withKafka({ 'min.insync.replicas': '3' }), 'kafka-min-isr')).to.equal('fault')
    expect(severity(await withKafka({ 'min.insync.replicas': '2' }), 'kafka-min-isr')).to.equal('good')
    expect(severity(await withKafka({ 'min.insync.replicas': '1' }, { replicas: 1 }), 'kafka-min-isr')).to.equal(undefined)
  })

  it('want a single broker to flush, and several not to', async () => {
    const flush = (interval: Readonly<Record<string, string>>, brokers: number) => withKafka({}, { brokers, broker: interval })
    expect(severity(await flush({}, 1), 'kafka-flush')).to.equal('advice')
    expect(severity(await flush({ 'log.flush.interval.ms': '1000' }, 1), 'kafka-flush')).to.equal('good')
    expect(severity(await flush({ 'log.flush.interval.messages': '9223372036854775807' }, 3), 'kafka-flush')).to.equal('good')
    expect(severity(await flush({ 'log.flush.interval.messages': '1' }, 3), 'kafka-flush')).to.equal('advice')
  })

  it('want topics that take what devices may send, and keep it as long as the configuration says', async () => {
    const day = String(24 * 3_600_000)
    const facts = await withKafka({ 'max.message.bytes': '1048588', 'retention.ms': day, 'retention.bytes': '-1' })
    expect(verdict(facts, 'kafka-message-bytes')).to.deep.equal(['fault', 'all topics: 1.0 MiB'])
    expect(severity(facts, 'kafka-retention')).to.equal('advice')
    expect(verdict(facts, 'kafka-retention-space')).to.deep.equal(['advice', '1 of 1 topics are bounded by time alone'])
  })
})

describe('rules for the MQTT broker', () => {
  const withBroker = (settings: string): Tree => ({
    ...oneSocketSsd,
    '/etc/mosquitto/mosquitto.conf': settings,
    '/etc/mosquitto/conf.d/limits.conf': 'max_queued_bytes 300000000\n',
  })

  it('read the file that the broker was started with, and what that includes', async () => {
    const facts = await factsOf({
      ...withBroker('include_dir /etc/mosquitto/conf.d\npersistence true\n'),
      '/proc/812/comm': 'mosquitto\n',
      '/proc/812/cmdline': '/usr/sbin/mosquitto\0-c\0/etc/mosquitto/mosquitto.conf\0',
      '/proc/812/limits':
        'Limit   Soft Limit  Hard Limit  Units\nMax open files            1024                 524288               files\n',
    })
    expect(severity(facts, 'broker-queue-bytes')).to.equal('good')
    expect(severity(facts, 'broker-persistence')).to.equal('good')
    expect(verdict(facts, 'broker-queue')).to.deep.equal(['fault', '1000 (default)'])
    expect(verdict(facts, 'broker-inflight')).to.deep.equal(['advice', '20 (default)'])
    expect(verdict(facts, 'files-daemon')).to.deep.equal(['advice', '1024'])
  })

  it('of several brokers take the one that listens where the line looks', async () => {
    const broker = (pid: number, port: number) => ({
      [`/proc/${pid}/comm`]: 'mosquitto',
      [`/proc/${pid}/cmdline`]: `mosquitto\0-c\0/srv/${port}.conf\0`,
      [`/srv/${port}.conf`]: `listener ${port} 127.0.0.1\n`,
    })
    expect((await factsOf({ ...oneSocketSsd, ...broker(1, 1884), ...broker(2, 1883) })).system.broker?.path).to.equal('/srv/1883.conf')
    expect((await factsOf({ ...oneSocketSsd, ...broker(1, 1884), ...broker(2, 1885) })).system.broker).to.equal(undefined)
  })
})

describe('what doctor measures and reads', () => {
  it('is a fault if a disk that spins confirms faster than it turns, and if a commit takes long', async () => {
    const facts = await factsOf(twoSocketsNvme)
    const spinning = { name: 'sda', kind: 'spinning', transport: 'sas', model: undefined, node: 0, scheduler: undefined } as const
    const at = (perSecond: number): Facts => ({
      ...facts,
      sync: {
        tag: 'seen',
        value: { perSecond, slowestMs: 9, folder: '/', fileSystem: { mountedAt: '/', type: 'ext4', options: [], disks: [spinning] } },
      },
    })
    expect([severity(at(9_000), 'disk-sync-honest'), severity(at(120), 'disk-sync-honest')]).to.deep.equal(['fault', 'good'])
    expect([at(30), at(120), at(800)].map((each) => severity(each, 'disk-sync-rate'))).to.deep.equal(['fault', 'advice', 'good'])
  })

  it('has the state of chrony, and of slots as boards name them', () => {
    const chrony = (offset: string, leap: string): string =>
      `C0A80001,gw,3,1764547200.1,${offset},0.1,0.1,1,0,0.1,0.01,0.001,64.0,${leap}\n`
    expect(chronyState(chrony('-0.0005', 'Normal'))).to.deep.equal({ tag: 'synchronised', by: 'chronyd', offsetMs: 0.5 })
    expect(chronyState(chrony('0', 'Not synchronised'))).to.deep.equal({ tag: 'not-synchronised', by: 'chronyd' })
    expect(chronyState('506 Cannot talk to daemon')).to.equal(undefined)
    const slot = (locator: string, bank: string, size: string): string =>
      `Handle 0x1, DMI type 17, 84 bytes\nMemory Device\n\tSize: ${size}\n\tLocator: ${locator}\n\tBank Locator: ${bank}\n`
    expect(
      dmiChannels(`# dmidecode\n\n${slot('DIMM 0', 'P0 CHANNEL A', '32 GB')}\n${slot('DIMM 0', 'P0 CHANNEL B', 'No Module Installed')}`),
    ).to.deep.equal({
      tag: 'known',
      populated: 1,
      total: 2,
    })
    expect(dmiChannels(slot('slot1', 'bank1', '8 GB')))
      .to.have.property('why')
      .that.includes('slot1 bank1')
    expect(dmiChannels(undefined)).to.have.property('why').that.includes('needs root')
  })

  it('has lists of CPUs as the kernel writes them, and sizes for people', () => {
    expect(parseCpuList('0-3,8, 10-11')).to.deep.equal([0, 1, 2, 3, 8, 10, 11])
    expect(cpuList([0, 1, 2, 3, 8, 10, 11])).to.equal('0-3,8,10-11')
    expect([0, 512, 1_536, 8 * GIB, 3_000 * GIB].map(bytes)).to.deep.equal(['0 B', '512 B', '1.5 KiB', '8 GiB', '2.9 TiB'])
  })
})
