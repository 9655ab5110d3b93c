import { readdirSync, readFileSync } from 'node:fs'
import { expect } from 'chai'
import { projectRoot, readFirmwares } from '../../schemas/files.ts'
import { isMeasuring } from '../../schemas/firmware.ts'
import { frameDecoder } from './ledger.ts'

interface Golden {
  readonly firmware: string
  readonly frame: string
  readonly boot: number
  readonly seq: number
  readonly times: readonly number[]
  readonly columns: Readonly<Record<string, readonly number[]>>
}

const folder = `${projectRoot}firmware/test/golden/`

describe('the reference decoder', () => {
  for (const name of readdirSync(folder).filter((file) => file.endsWith('.json'))) {
    it(`reads the golden frame ${name}`, () => {
      const golden = JSON.parse(readFileSync(folder + name, 'utf8')) as Golden
      const decoded = frameDecoder(golden.firmware)(Buffer.from(golden.frame, 'hex'))
      expect(decoded.boot).to.equal(golden.boot)
      expect(decoded.seq).to.equal(golden.seq)
      expect(decoded.samples.map(({ tsMs }) => tsMs)).to.deep.equal(golden.times)
      for (const { name: metric, standard, missing, kind } of metricsOf(golden.firmware)) {
        expect(kind).to.equal('int')
        const raw = golden.columns[metric] ?? []
        const read = decoded.samples.map(({ values }) => values.get(standard))
        expect(read.map((value) => value === null)).to.deep.equal(raw.map((code) => code === missing))
      }
    })
  }

  it('converts in decimal digits: sixteenths above -40, a map of codes, and no more than one rounding', () => {
    const golden = JSON.parse(readFileSync(`${folder}hive-2-holes.json`, 'utf8')) as Golden
    const [first, second] = frameDecoder('hive-2')(Buffer.from(golden.frame, 'hex')).samples
    expect(Object.fromEntries(first?.values ?? [])).to.deep.equal({
      temperature: 26,
      humidity: 55,
      weight: null,
      sound_level: null,
      battery_level: 100,
    })
    expect(second?.values.get('temperature')).to.equal(26.0625)
  })
})

function metricsOf(id: string): readonly { name: string; standard: string; missing: number | undefined; kind: string }[] {
  const found = readFirmwares().find(({ firmware }) => firmware.id === id)
  return (found?.firmware.metrics ?? []).filter(isMeasuring).map(({ name, standard, missing, kind }) => ({ name, standard, missing, kind }))
}
