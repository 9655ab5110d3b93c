import { expect } from 'chai'
import { type CoverageSources, coverage } from './coverage.ts'
import type { KnownFirmware } from './known.ts'
import type { Strange } from './strange.ts'
import { coverageLines, deviceLines, firmwareLinesOf } from './table.ts'

const DAY = Date.UTC(2026, 10, 29)
const at = (minute: number): number => DAY + minute * 60_000
const iso = (minute: number): string => new Date(at(minute)).toISOString()
const known = (name: string, kind: KnownFirmware['kind'], fingerprints: readonly string[] = []): KnownFirmware => ({
  name,
  kind,
  fingerprints,
  measures: [{ field: 'temp', quantity: 'temperature', unit: 'Cel', conversion: 'raw × 0.01' }],
  carried: kind === 'firmware' ? ['debug'] : [],
  problem: null,
})
const strange = (reason: string, device: string | null, fingerprint: string | null, what: string): Strange => ({
  processor: 'bridge',
  reason,
  device,
  fingerprint,
  what,
  messages: 3,
  lastMs: at(4),
})

const sources: CoverageSources = {
  known: [known('hive-1', 'firmware', ['aa']), known('tasmota@3', 'dialect'), known('old-1', 'firmware', ['0123456789abcdef'])],
  births: [
    { device: 'a', firmware: 'hive-1', seenMs: at(1) },
    { device: 'b', firmware: 'hive-1', seenMs: at(1) },
    { device: 'c', firmware: 'hive-9\u001b[2J', seenMs: at(5) },
    { device: 'd', firmware: null, seenMs: at(5) },
    { device: 'e', firmware: null, seenMs: null },
  ],
  heard: {
    devices: new Map<string, ReadonlyMap<string, number>>([
      [
        'b',
        new Map([
          ['hive-1', at(2)],
          ['tasmota@3', at(3)],
        ] as const),
      ],
      ['c', new Map([['hive-1', at(4)]] as const)],
      ['gone', new Map([['lost-4', at(2)]] as const)],
    ]),
    records: 4,
    left: 7,
  },
  strangers: {
    strange: [
      strange('unknown-fingerprint', 'a', '0123456789abcdef', '0123456789abcdef'),
      strange('no-route', null, null, 'foo/\u001b[2J'),
    ],
    others: 2,
  },
  sinceMs: at(0),
}

describe('which devices run which firmware', () => {
  const report = coverage(sources)
  const device = (name: string) => report.devices.find((each) => each.device === name)

  it('is what each said at its last birth, or sent since', () => {
    expect(device('a')).to.deep.include({ firmware: 'hive-1', from: 'birth', readings: {} })
    expect(device('b')).to.deep.include({ firmware: 'tasmota@3', from: 'readings', readings: { 'hive-1': iso(2), 'tasmota@3': iso(3) } })
    // It has been updated: what it sent before does not count any more.
    expect(device('c')).to.deep.include({ firmware: 'hive-9\u001b[2J', from: 'birth', readings: { 'hive-1': iso(4) } })
    for (const name of ['d', 'e']) expect(device(name), name).to.deep.include({ firmware: null, from: null })
    expect(device('gone')).to.deep.include({ provisioned: false, firmware: 'lost-4', from: 'readings' })
  })

  it('is counted, with those that nobody runs and those that are not registered', () => {
    expect(report.firmwares.map(({ firmware, kind, devices, lastReading }) => [firmware, kind, devices, lastReading])).to.deep.equal([
      ['hive-1', 'firmware', 1, iso(4)],
      ['hive-9\u001b[2J', 'unregistered', 1, null],
      ['lost-4', 'unregistered', 1, iso(2)],
      ['tasmota@3', 'dialect', 1, iso(3)],
      ['old-1', 'firmware', 0, null],
    ])
  })

  it('comes with what nobody knew, and the command that sends it on once it is', () => {
    expect(report.strange.map(({ device: of, what, known: isKnown, command }) => [of, what, isKnown, command])).to.deep.equal([
      ['a', '0123456789abcdef', true, 'millrace redrive bridge --reason unknown-fingerprint --fingerprint 0123456789abcdef'],
      [null, 'foo/\u001b[2J', false, 'millrace redrive bridge --reason no-route'],
    ])
  })

  it('is shown without what a terminal obeys', () => {
    const shown = coverageLines(report).join('\n')
    expect(shown).to.not.include('\u001b')
    expect(shown).to.match(/^hive-1 +firmware +1 +2026-11-29T00:04:00\.000Z +temperature; carried and left out: debug$/m)
    expect(shown).to.match(/^hive-9\\u001b\[2J +unregistered +1 +- +unknown: register its schema/m)
    expect(shown).to.match(/^old-1 +firmware +0 +- +temperature; carried and left out: debug$/m)
    expect(shown).to.include('5 devices; of 2 nothing says what they run')
    expect(shown).to.include('registered by now: millrace redrive bridge --reason unknown-fingerprint --fingerprint 0123456789abcdef')
    expect(shown).to.include('once it is known: millrace redrive bridge --reason no-route')
    expect(shown).to.include('… 2 messages more')
    expect(shown).to.include('7 older ones were too many')
  })

  it('is shown of one firmware with its fields and devices, and of one device', () => {
    const [hive] = report.firmwares
    const a = device('a')
    if (hive === undefined || a === undefined) throw new Error('neither is there')
    const lines = firmwareLinesOf(report, hive).join('\n')
    expect(lines).to.include('fingerprints: aa')
    expect(lines).to.match(/^temp +temperature +Cel +raw × 0\.01$/m)
    expect(lines).to.match(/^a +birth +-$/m)
    expect(deviceLines(report, a).join('\n')).to.match(/^firmware +hive-1, as its birth says$/m)
  })

  it('takes little time for many devices', () => {
    const births = Array.from({ length: 20_000 }, (_, index) => ({ device: `d${index}`, firmware: 'hive-1', seenMs: at(1) }))
    const heard = { devices: new Map(births.map((birth) => [birth.device, new Map([['hive-1', at(2)]])])), records: 1, left: 0 }
    const many = coverage({ ...sources, births, heard })
    expect(many.firmwares[0]).to.include({ firmware: 'hive-1', devices: 20_000 })
    expect(coverageLines(many)).to.have.length.below(30)
    expect(firmwareLinesOf(many, many.firmwares[0] as (typeof many.firmwares)[number])).to.have.length.below(120)
  })
})
