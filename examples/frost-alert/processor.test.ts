import { expect } from 'chai'
import fc from 'fast-check'
import {
  checkGolden,
  checkProcessor,
  feed,
  type GivenLookups,
  type RecordOutcome,
  type reading,
  readingsRecord,
} from '../../kit/testing.ts'
import { projectRoot } from '../../schemas/files.ts'
import { processor } from './processor.ts'

const TS = 1_764_400_000_000_000
const site = { accountId: 7, siteId: 9 }

/** What becomes of one sample of hive-1, which an account has. */
function outcomeOf(own: Partial<ReturnType<typeof reading>>, lookups: GivenLookups = {}): RecordOutcome | undefined {
  return feed(processor, [readingsRecord({ device_id: 'hive-1', ts: TS, account_id: 1, site_id: 2, ...own })], lookups)[0]
}

describe('frost-alert', () => {
  it('emits an alert for a sample below zero, with what is known of it', () => {
    const value = { device_id: 'hive-1', ts: TS, time_estimated: false, temperature: -0.01, account_id: 1, site_id: 2 }
    expect(outcomeOf({ temperature: -0.01 })?.emitted).to.deep.equal([{ output: 'alerts', key: 'hive-1', value }])
  })

  it('leaves out what is at zero or above, or has no temperature, and counts why', () => {
    expect(outcomeOf({ temperature: 0 })?.dropped).to.deep.equal({ 'no-frost': 1 })
    expect(outcomeOf({ temperature: 34.2 })?.dropped).to.deep.equal({ 'no-frost': 1 })
    expect(outcomeOf({ humidity: 80 })?.dropped).to.deep.equal({ 'no-temperature': 1 })
  })

  it('asks whose the device was if the sample does not say, and rejects it if nobody was there', () => {
    const orphan = { temperature: -5, account_id: null, site_id: null }
    const found = outcomeOf(orphan, { assignments: { 'hive-1': [{ fromMicros: TS, ...site }] } })
    expect(found?.emitted[0]?.value).to.include({ account_id: 7, site_id: 9 })
    for (const assignments of [null, [], [{ fromMicros: TS + 1, ...site }], [{ toMicros: TS, ...site }]])
      expect(outcomeOf(orphan, { assignments: { 'hive-1': assignments } })?.rejected).to.deep.equal([
        { reason: 'nobody-to-alert', detail: 'hive-1 had -5 °C and was assigned to no account', samples: [0], quantities: [] },
      ])
  })

  it('asks for the device of a channel', () => {
    const brood = { device_id: 'hive-1/brood', temperature: -5, account_id: null }
    expect(outcomeOf(brood, { assignments: { 'hive-1': [site] } })?.emitted).to.have.length(1)
  })

  it('keeps to what every processor must keep to, whatever it is fed', () => {
    const temperature = fc.option(fc.double({ min: -60, max: 200, noNaN: true }))
    const sample = fc.record({ device_id: fc.constantFrom('hive-1', 'hive-2'), temperature, account_id: fc.option(fc.nat()) })
    const property = fc.property(fc.array(sample, { maxLength: 5 }), (samples) => {
      const records = samples.map((each) => readingsRecord(each))
      checkProcessor(processor, records, { assignments: { 'hive-1': [site], 'hive-2': null } })
    })
    fc.assert(property, { numRuns: 30 })
  })

  it('gives of a cold night what it gave when that was looked at', () => {
    checkGolden(processor, `${projectRoot}examples/frost-alert/golden/cold-night`)
  })
})
