import { spawnSync } from 'node:child_process'
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { expect } from 'chai'
import { factsOf } from '../../test/machines/facts.ts'
import { oneSocketSsd, twoSocketsNvme, twoSocketsSas } from '../../test/machines/topologies.ts'
import type { Tree } from '../../test/machines/tree.ts'
import { dropIn, dropInPath, type PinnedUnit, type Pinning, proposePinning } from './pinning.ts'

const pinningOf = async (tree: Tree): Promise<Pinning> => proposePinning(await factsOf(tree))

async function unitsOf(tree: Tree): Promise<readonly PinnedUnit[]> {
  const pinning = await pinningOf(tree)
  if (pinning.tag !== 'pinned') throw new Error(pinning.why)
  return pinning.units
}

const nodes = (units: readonly PinnedUnit[]): Readonly<Record<string, number>> =>
  Object.fromEntries(units.map(({ unit, node }) => [unit.replace(/^millrace-|\.service$/g, ''), node]))

describe('the pinning that doctor proposes', () => {
  it('has the database at its disk, broker and bridge at the network card, and the others where less runs', async () => {
    expect(nodes(await unitsOf(twoSocketsNvme))).to.deep.equal({
      'postgresql@': 1,
      mosquitto: 0,
      kafka: 0,
      bridge: 0,
      standardise: 1,
      devices: 1,
      store: 1,
    })
  })

  it('does not put everything at one node because card and disk are there', async () => {
    expect(nodes(await unitsOf(twoSocketsSas))).to.include({ 'postgresql@': 1, mosquitto: 1, bridge: 1, store: 1, standardise: 0 })
  })

  it('goes away from what is known if one of the two is not', async () => {
    const unsaid = { ...twoSocketsNvme, '/sys/devices/pci0000:00/0000:17:00.0/numa_node': '-1' }
    expect(nodes(await unitsOf(unsaid))).to.include({ 'postgresql@': 1, mosquitto: 0, bridge: 0 })
  })

  it('is none on one node, or if the machine says nothing', async () => {
    expect((await pinningOf(oneSocketSsd)).tag).to.equal('none')
    const silent = Object.fromEntries(Object.entries(twoSocketsNvme).filter(([path]) => !path.endsWith('numa_node')))
    expect(await pinningOf(silent))
      .to.have.property('why')
      .that.includes('neither')
  })

  it('is in drop-ins that systemd takes without a word', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'millrace-units-'))
    try {
      const units = (await unitsOf(twoSocketsNvme)).filter(({ unit }) => unit.startsWith('millrace-'))
      for (const unit of units) {
        const path = join(folder, dropInPath(unit))
        mkdirSync(dirname(path))
        writeFileSync(path, dropIn(unit))
        writeFileSync(join(folder, unit.unit), '[Unit]\nDescription=x\n[Service]\nExecStart=/bin/true\n')
      }
      const verify = (): string => {
        const { stdout, stderr } = spawnSync('systemd-analyze', ['verify', ...units.map(({ unit }) => `./${unit}`)], {
          cwd: folder,
          encoding: 'utf8',
        })
        return `${stdout}${stderr}`
      }
      expect(verify()).to.equal('')
      // It exits with 0 whatever it finds, so a mistake has to be seen in what it says.
      const [first] = units
      if (first !== undefined) writeFileSync(join(folder, dropInPath(first)), dropIn(first).replace('CPUAffinity', 'CPUAfinity'))
      expect(verify()).to.include('CPUAfinity')
    } finally {
      rmSync(folder, { recursive: true })
    }
  })
})
