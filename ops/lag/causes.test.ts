import { expect } from 'chai'
import { causesOf, type ServiceEvidence } from './causes.ts'

const well: ServiceEvidence = {
  group: 'store',
  state: 'falling behind',
  members: 1,
  address: 'http://127.0.0.1:9467',
  problems: [],
  stages: new Map([
    ['handling', 0.1],
    ['database', 0.2],
  ]),
  cores: 0.2,
  lockWaits: [],
  tableLocks: [],
  hot: [],
  gone: [],
}

describe('why a group is behind', () => {
  const cases: readonly (readonly [string, Partial<ServiceEvidence>, readonly string[]])[] = [
    ['it is not running', { members: 0, problems: undefined }, ['not running: nobody is in its consumer group']],
    ['it does not answer', { problems: undefined }, ['nothing answers at http://127.0.0.1:9467']],
    ['nobody knows its machine', { address: undefined, problems: undefined }, []],
    [
      'its health says why, and since when',
      { problems: [{ part: 'database', problem: 'no answer', since: '2026-11-30T12:00:05.123Z' }], stages: undefined },
      ['database: no answer, since 12:00:05Z'],
    ],
    [
      'its transaction waits for a lock',
      {
        stages: new Map([['database', 1]]),
        lockWaits: [
          { application: 'millrace store', waitsSeconds: 12.3, table: 'readings', holders: [{ pid: 7, application: 'psql' }] },
          { application: 'millrace movement', waitsSeconds: 3, table: null, holders: [] },
        ],
      },
      ['its transaction waits 12 s for a lock on readings that PID 7 (psql) holds', '100 % of the time in transactions of the database'],
    ],
    [
      'its transaction has just given up waiting for a lock',
      {
        problems: [{ part: 'database', problem: 'committing: canceling statement due to lock timeout', since: undefined }],
        stages: undefined,
        tableLocks: [{ pid: 7, application: 'psql', table: 'readings' }],
      },
      ['PID 7 (psql) holds a lock on readings', 'database: committing: canceling statement due to lock timeout'],
    ],
    ['a stage takes most of the time', { stages: new Map([['lookups', 0.93]]) }, ['93 % of the time looking up schemas and devices']],
    ['it takes a whole core', { cores: 0.97 }, ['its process takes 0.97 cores']],
    [
      'its offsets cannot be read',
      { unreadable: 'reading offsets: canceling statement', stages: undefined },
      ['its offsets cannot be read: reading offsets: canceling statement'],
    ],
    [
      'Kafka has deleted what it had not read, before all other reasons',
      {
        members: 0,
        problems: undefined,
        gone: [
          { topic: 't', partition: 0, gone: { tag: 'deleted', offsets: 1_000n } },
          { topic: 't', partition: 1, gone: { tag: 'nothing' } },
          { topic: 't', partition: 3, gone: { tag: 'deleted', offsets: 234n } },
          { topic: 'u', partition: 2, gone: { tag: 'cut' } },
          { topic: 'v', partition: 0, gone: { tag: 'recreated' } },
        ],
      },
      [
        'Kafka has deleted 1,234 records of t/0, /3 that it had not read',
        'the log of u/2 ends before its position: it goes back to where the log was cut',
        'v/0 was deleted and made again: it begins at the first record',
        'not running: nobody is in its consumer group',
      ],
    ],
    ['it waits for Kafka', {}, ['waits for records 80 % of the time: fetching from Kafka']],
    [
      'one partition has nearly all, of one device',
      { hot: [{ topic: 'telemetry.readings', partition: 3, share: 0.92, devices: [{ device: 'hive-17', share: 0.85 }] }] },
      ['waits for records 80 % of the time: fetching from Kafka', '92 % of it in telemetry.readings/3, of which hive-17 85 %'],
    ],
  ]
  for (const [what, evidence, causes] of cases)
    it(`is said if ${what}`, () => expect(causesOf({ ...well, ...evidence })).to.deep.equal(causes))

  it('is not asked of one that follows, but what its health says is told', () => {
    const problems = [{ part: 'outbox', problem: 'full', since: undefined }]
    expect(causesOf({ ...well, state: 'following', problems })).to.deep.equal(['outbox: full'])
    expect(
      causesOf({ ...well, state: 'idle', gone: [{ topic: 't', partition: 0, gone: { tag: 'deleted', offsets: 1n } }] }),
    ).to.have.length(1)
    expect(causesOf({ ...well, state: 'idle', stages: new Map([['database', 0.9]]) })).to.deep.equal([])
  })
})
