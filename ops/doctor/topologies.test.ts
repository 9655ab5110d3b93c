import { expect } from 'chai'
import fc from 'fast-check'
import { disksBelow, factsOf, factsOfMachine } from '../../test/machines/facts.ts'
import { DATA, KAFKA, oneSocketSpinning, oneSocketSsd, TOPOLOGIES, twoSocketsNvme, twoSocketsSas } from '../../test/machines/topologies.ts'
import { layOut, type Tree } from '../../test/machines/tree.ts'
import { examine } from './examine.ts'
import { type Machine, openMachine } from './machine.ts'
import { reportLines } from './report-text.ts'

/** Rules of a machine by their severity, as `rule` or `rule (subject)`. */
async function said(tree: Tree, severity: string): Promise<readonly string[]> {
  return examine(await factsOf(tree))
    .diagnoses.filter((each) => each.severity === severity)
    .map(({ rule, subject }) => (subject === undefined ? rule : `${rule} (${subject})`))
}

describe('a recorded machine', () => {
  it('of two sockets with NVMe: card and disks are at their nodes, and what is astray is named', async () => {
    expect(disksBelow(twoSocketsNvme, DATA)).to.deep.equal(['nvme0n1: nvme, nvme, node 1'])
    expect(disksBelow(twoSocketsNvme, KAFKA)).to.deep.equal(['nvme1n1: nvme, nvme, node 0'])
    expect(await said(twoSocketsNvme, 'fault')).to.deep.equal([])
    expect(await said(twoSocketsNvme, 'advice')).to.deep.equal([
      'numa-balancing',
      'net-interrupts-node (eno1)',
      'memory-channels',
      'memory-swappiness',
      'memory-dirty',
      'disk-scheduler (nvme1n1)',
    ])
    const { topology } = examine(await factsOf(twoSocketsNvme))
    expect(topology.sockets).to.equal(2)
    expect(topology.nodes.map(({ devices }) => devices)).to.deep.equal([['eno1', 'nvme1n1 (kafka)'], ['nvme0n1 (database, wal)']])
  })

  it('of two sockets with SAS: the disks below LVM are found, and a WAL without barriers is a fault', async () => {
    expect(disksBelow(twoSocketsSas, DATA)).to.deep.equal(['sda: spinning, sas, node 1', 'sdb: spinning, sas, node 1'])
    expect(disksBelow(twoSocketsSas, `${DATA}/pg_wal`)).to.deep.equal(['sdc: ssd, sata, node 0'])
    expect(await said(twoSocketsSas, 'fault')).to.deep.equal(['disk-barriers (WAL of telemetry, app)'])
    expect(await said(twoSocketsSas, 'advice')).to.include.members([
      'cpu-governor',
      'net-interrupts-spread (ens2f0)',
      'disk-class (data of telemetry, app)',
      'disk-scheduler (sdb)',
    ])
    expect(await said(twoSocketsSas, 'good')).to.include.members([
      'net-interrupts-node (ens2f0)',
      'disk-wal-device (WAL of telemetry, app)',
    ])
  })

  it('of one socket with a SATA SSD: a partition is its disk, and NUMA has no rules', async () => {
    expect(disksBelow(oneSocketSsd, DATA)).to.deep.equal(['sda: ssd, sata, node unknown'])
    const all = examine(await factsOf(oneSocketSsd))
    expect(all.diagnoses.filter(({ rule }) => /^(?:numa|net-interrupts-node)/.test(rule))).to.deep.equal([])
    expect(all.topology.nodes[0]?.devices).to.deep.equal(['enp3s0', 'sda (database, wal, kafka)'])
    expect(all.topology.elsewhere).to.deep.equal([])
    expect(await said(oneSocketSsd, 'advice')).to.include.members(['cpu-governor', 'disk-wal-device (WAL of telemetry, app)'])
  })

  it('of one socket with a disk that spins: WAL beside the data is bad advice taken, a log in memory a fault', async () => {
    expect(disksBelow(oneSocketSpinning, DATA)).to.deep.equal(['sda: spinning, sata, node unknown'])
    expect(await said(oneSocketSpinning, 'fault')).to.deep.equal([`disk-filesystem (log of Kafka, ${KAFKA})`])
    expect(await said(oneSocketSpinning, 'advice')).to.include.members([
      'disk-class (data of telemetry, app)',
      'disk-wal-device (WAL of telemetry, app)',
    ])
  })

  it('is the same from a folder, with links and all, as from memory', async () => {
    for (const tree of [twoSocketsNvme, twoSocketsSas]) {
      using laid = layOut(tree)
      expect(await factsOfMachine(openMachine(laid.root))).to.deep.equal(await factsOf(tree))
    }
  })

  it('that lets nothing be read has no fault and no advice, only what is not known', async () => {
    const shut: Machine = {
      file: () => ({ tag: 'denied' }),
      read: () => undefined,
      list: () => [],
      real: () => undefined,
      space: () => undefined,
      run: () => Promise.resolve(undefined),
    }
    const { diagnoses, unseen } = examine(await factsOfMachine(shut))
    expect(new Set(diagnoses.map(({ severity }) => severity))).to.deep.equal(new Set(['unknown']))
    expect(unseen.join('\n')).to.match(/PostgreSQL: .*\nKafka: .*\nthe WAL of .*only its own user and root/s)
  })

  it('is reported whichever of its files are missing or have something else in them', async () => {
    const trees = Object.values(TOPOLOGIES)
    await fc.assert(
      fc.asyncProperty(
        fc.constantFrom(...trees),
        fc.array(fc.nat(), { maxLength: 30 }),
        fc.constantFrom(undefined, '', '-1', 'x', '99999999999999999999', '\0'),
        async (tree, picks, content) => {
          const paths = Object.keys(tree)
          const changed: Record<string, Tree[string]> = { ...tree }
          for (const pick of picks) {
            const path = paths[pick % paths.length] ?? ''
            if (content === undefined) delete changed[path]
            else if (typeof changed[path] === 'string') changed[path] = content
          }
          const lines = reportLines(examine(await factsOf(changed)))
          expect(lines.at(-1)).to.match(/not seen/)
          expect(lines.join('\n')).not.to.match(/NaN|undefined|Infinity/)
        },
      ),
      { numRuns: 200 },
    )
  })
})
