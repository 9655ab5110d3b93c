import { setTimeout as sleep } from 'node:timers/promises'
import { expect } from 'chai'
import { CareRig } from '../pipeline/care-rig.ts'
import { millrace } from '../pipeline/service.ts'
import { type TestStore, testStore } from '../pipeline/test-store.ts'

describe('rows that lie outside every partition', () => {
  let rig: CareRig
  let store: TestStore
  let telemetry: string | undefined

  const insert = (device: string, ts: string): Promise<unknown> =>
    store.database.query('INSERT INTO readings (device_id, ts, time_estimated, temperature) VALUES ($1, $2, false, 1)', [device, ts])
  /** What the command says; its exit code is 1 as long as something lies outside. */
  const partitions = (...args: readonly string[]): Promise<string> =>
    millrace('partitions', ...args).catch((cause: unknown) => String(cause))

  beforeEach(async () => {
    rig = await CareRig.open('postgres')
    store = rig.store
    telemetry = process.env.TELEMETRY_DATABASE_URL
    process.env.TELEMETRY_DATABASE_URL = store.database.url
    await rig.pass({ daysAhead: 7 }, Date.UTC(2026, 10, 29))
  })

  afterEach(async () => {
    process.env.TELEMETRY_DATABASE_URL = telemetry
    await rig[Symbol.asyncDispose]()
  })

  it('are listed by day, and get partitions of their own, while the store writes', async () => {
    for (const ts of ['2025-01-02T03:04:05Z', '2025-01-02T03:04:06Z', '2031-05-06T00:00:00Z', '1969-12-31T23:59:59Z'])
      await insert('hive', ts)
    await insert('mast', '2025-01-02T03:04:05Z')
    const listed = await partitions()
    expect(listed)
      .to.contain('exited with 1')
      .and.to.contain('readings has 8 partitions, 2026-11-29 to 2026-12-06')
      .and.to.match(/5 rows lie in the default partition[\s\S]*1969-12-31 +1 rows[\s\S]*2025-01-02 +3 rows[\s\S]*2031-05-06/)
    const writer = await store.database.connect()
    await writer.query("BEGIN; INSERT INTO readings (device_id, ts, time_estimated) VALUES ('hive', '2026-11-29T01:00:00Z', false)")
    const drained = partitions('drain')
    // It waits for the transaction, in short tries.
    await sleep(2_000)
    await writer.query('COMMIT')
    expect(await drained)
      .to.contain('2025-01-02: 3 rows moved')
      .and.to.not.contain('exited')
    expect(await partitions())
      .to.contain('readings has 11 partitions, 1969-12-31 to 2031-05-06\n')
      .and.to.match(/readings_20250102 +2025-01-02 +2025-01-03 .* closed +kept/)
      .and.to.contain('No row lies in the default partition.')
    expect(await store.database.query('SELECT count(*) AS rows FROM readings')).to.deep.equal([{ rows: 6n }])
    expect(await store.database.query('SELECT count(*) AS rows FROM readings_20250102')).to.deep.equal([{ rows: 3n }])
  })

  it('stay, and are named, if they have no day, or a table is in the way', async () => {
    await insert('hive', 'infinity')
    await insert('hive', '2025-01-02T03:04:05Z')
    await insert('hive', '2025-01-03T03:04:05Z')
    await store.database.query('CREATE TABLE readings_20250102 (note text)')
    const drained = await partitions('drain')
    expect(drained)
      .to.contain('exited with 1')
      .and.to.contain('no day: 1 rows stay')
      .and.to.contain('2025-01-02: rows stay: there is a table readings_20250102 that is no partition of readings')
      .and.to.contain('2025-01-03: 1 rows moved into readings_20250103')
    expect(await partitions()).to.contain('2 rows lie in the default partition')
  })

  it('are said to be impossible if TimescaleDB makes chunks', async () => {
    const timescale = await testStore('timescaledb')
    process.env.TELEMETRY_DATABASE_URL = timescale.database.url
    try {
      await timescale.write([{ device: 'hive', tsMs: Date.UTC(2026, 10, 29), temperature: 1 }])
      expect(await partitions()).to.match(
        /^readings has 1 chunks of TimescaleDB, 2026-11-29 to 2026-11-29\nname[^\n]*\n_hyper_\S+ +2026-11-29 +2026-11-30 .* kept\nNo row can lie outside them\.\n$/,
      )
    } finally {
      await timescale[Symbol.asyncDispose]()
    }
  })
})
