import { expect } from 'chai'
import { compareSentRows, type SentRows } from '../../connectors/postgres/sent-rows.ts'
import { openSession, type Session } from '../../connectors/postgres/session.ts'
import { type ScratchDatabase, scratchDatabase } from './scratch-database.ts'

const FILE = `2021-06-19 00:04:58+00:00,3629,26.24,35.45
2021-06-19 00:04:58+00:00,3629,26.24,35.45
2021-06-19T00:19:58Z,3629,26.01,
1624061999000,3630,1e9,-4
2021-06-19 02:04:59.250+02:00,3630,.5,0
`

describe('comparing a file with the table', () => {
  let database: ScratchDatabase
  let session: Session
  let sent: SentRows

  beforeEach(async () => {
    database = await scratchDatabase('TELEMETRY_DATABASE_URL')
    await database.query(`CREATE TABLE readings (device_id text COLLATE "C", ts timestamptz, temperature double precision, humidity double precision,
      PRIMARY KEY (device_id, ts))`)
    session = await openSession({ url: database.url, applicationName: 'test' })
    sent = await compareSentRows(session, ['temperature', 'humidity'])
    await sent.add(Buffer.from(FILE))
  })

  afterEach(async () => {
    await session.close()
    await database[Symbol.asyncDispose]()
  })

  it('counts lines, keys and devices', async () => {
    expect(await sent.finish()).to.deep.equal({ lines: 5, keys: 4, devices: ['3629', '3630'] })
    expect(await sent.compare()).to.deep.equal({ rows: 0, wrong: 0, conflicts: 0, merged: 0 })
  })

  it('finds each key once, whatever way its time is written', async () => {
    await sent.finish()
    await database.query(`INSERT INTO readings VALUES ('3629', '2021-06-19 00:04:58Z', 26.24, 35.45), ('3629', '2021-06-19 00:19:58Z', 26.01, null),
      ('3630', '2021-06-19 00:19:59Z', null, -4), ('3630', '2021-06-19 00:04:59.250Z', 0.5, 0), ('other', '2021-06-19 00:04:58Z', 1, 1)`)
    expect(await sent.compare()).to.deep.equal({ rows: 4, wrong: 0, conflicts: 0, merged: 0 })
  })

  it('counts rows that have another value than any line of their key', async () => {
    await sent.finish()
    await database.query(
      `INSERT INTO readings VALUES ('3629', '2021-06-19 00:04:58Z', 26.24, 35.46), ('3629', '2021-06-19 00:19:58Z', 26.01, 0)`,
    )
    expect(await sent.compare()).to.deep.equal({ rows: 2, wrong: 2, conflicts: 2, merged: 0 })
  })

  it('takes a row for right that merged two lines of its key, and one with a value too few for wrong', async () => {
    await sent.add(Buffer.from('2021-06-19 00:19:58Z,3629,,35\n2021-06-19 00:04:59.250Z,3630,,0\n'))
    await sent.finish()
    await database.query(
      `INSERT INTO readings VALUES ('3629', '2021-06-19 00:19:58Z', 26.01, 35), ('3630', '2021-06-19 00:04:59.250Z', null, 0)`,
    )
    expect(await sent.compare()).to.deep.equal({ rows: 2, wrong: 1, conflicts: 0, merged: 1 })
  })

  it('tells lines with another value than the row of their key from repeats, and both from those that add a value', async () => {
    const at = '2021-06-19 05:00:00Z,3631'
    await sent.add(Buffer.from(`${at},1,\n${at},1,\n${at},2,\n${at},1,5\n${at},,5\n${at},1,6\n`))
    await sent.finish()
    await database.query(`INSERT INTO readings VALUES ('3631', '2021-06-19 05:00:00Z', 1, 5)`)
    expect(await sent.compare()).to.deep.equal({ rows: 1, wrong: 0, conflicts: 2, merged: 1 })
  })

  it('does not miss a value that was refused, and takes no other value for right in its place', async () => {
    await sent.finish()
    await database.query(
      `INSERT INTO readings VALUES ('3629', '2021-06-19 00:04:58Z', 26.24, null), ('3629', '2021-06-19 00:19:58Z', 26.01, null),
       ('3630', '2021-06-19 00:04:59.250Z', null, 7)`,
    )
    const refused = ['2021-06-19T00:04:58Z', '2021-06-19T00:19:58Z', '2021-06-19T00:04:59.250Z'].map((time, index) => ({
      device: index === 2 ? '3630' : '3629',
      tsMicros: Date.parse(time) * 1_000,
      quantities: index === 2 ? [] : ['humidity'],
    }))
    expect(await sent.compare(refused)).to.deep.equal({ rows: 3, wrong: 1, conflicts: 0, merged: 0 })
    expect(await sent.compare()).to.include({ rows: 3, wrong: 2 })
  })

  it('counts dead keys once, and only those that are not in the table after all', async () => {
    await sent.finish()
    await database.query(`INSERT INTO readings VALUES ('3629', '2021-06-19 00:04:58Z', 26.24, 35.45)`)
    const at = (time: string): number => Date.parse(time) * 1_000
    const absent = await sent.absent([
      { device: '3629', tsMicros: at('2021-06-19T00:04:58Z') },
      { device: '3629', tsMicros: at('2021-06-19T00:19:58Z') },
      { device: '3629', tsMicros: at('2021-06-19T00:19:58Z') },
      { device: '3630', tsMicros: at('2020-01-01T00:00:00Z') },
    ])
    expect(absent).to.equal(1)
    expect(await sent.absent([])).to.equal(0)
  })
})
