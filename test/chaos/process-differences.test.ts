import { expect } from 'chai'
import type { Alert } from '../../processors/alerts/generated/alert.ts'
import type { KafkaRecord } from '../../processors/contract.ts'
import { differences, silencesOf, untold, untrueSilences } from './process-differences.ts'

const opened: Alert = {
  event_id: 'a-opened',
  alert_id: 'a',
  event: 'opened',
  rule_id: 1,
  rule: 'silent',
  kind: 'silence',
  quantity: null,
  account_id: 1,
  site_id: null,
  device_id: 'hive',
  channel: null,
  began: 10_000,
  opened: 70_000,
  value: null,
  closed: null,
  closed_value: null,
  closed_because: null,
}
const told = (...events: readonly Alert[]) => ({ events: new Map(events.map((event) => [event.event_id, event])), repeats: 0, wrong: [] })
const heardAt = (timestampMs: number): KafkaRecord => ({ key: Buffer.from('hive'), value: null, timestampMs, offset: 0n })

describe("what the business processes' tables are compared by", () => {
  it('names the device and the row that is missing, is too many, or is there twice', () => {
    const rows = ['hive: rest', 'hive: transit']
    const expected = new Map([['movements', rows]])
    expect(differences(expected, expected)).to.deep.equal([])
    expect(differences(expected, new Map([['movements', ['hive: transit']]]))).to.deep.equal(['movements lacks hive: rest'])
    expect(differences(expected, new Map([['movements', [...rows, 'hive: rest']]]))).to.deep.equal([
      'movements has, and a recomputation has not: hive: rest',
    ])
    const twice = new Map([['sites', ['place 1', 'place 1']]])
    expect(differences(twice, twice)).to.deep.equal(['sites has two for one place: place 1'])
  })

  it('finds events that were not told, were told of nothing, and say something else', () => {
    expect(untold([opened], told(opened))).to.deep.equal([])
    expect(untold([opened], told())).to.deep.equal(['hive: topic alerts lacks event a-opened'])
    expect(untold([], told(opened))).to.deep.equal(['hive: topic alerts has event a-opened, and the table has no such alert'])
    expect(untold([opened], told({ ...opened, value: 1 }))[0]).to.match(/^hive: topic alerts says .*"value":1/)
  })

  it('finds an alert of silence of a device that was heard', () => {
    expect(untrueSilences(silencesOf([opened]), new Map([[0, [heardAt(10), heardAt(71)]]]))).to.deep.equal([])
    expect(untrueSilences(silencesOf([opened]), new Map([[0, [heardAt(10), heardAt(50)]]]))).to.have.length(1)
  })
})
