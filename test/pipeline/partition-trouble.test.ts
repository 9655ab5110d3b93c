import { setTimeout as sleep } from 'node:timers/promises'
import { expect } from 'chai'
import { createPostgresBackend } from '../../connectors/postgres/postgres-backend.ts'
import { DAY_MS, dayRange } from '../../processors/store/time-ranges.ts'
import { CareRig, NOON_MS, TODAY } from './care-rig.ts'

/** The bound is 250 ms; on a busy machine the writer itself is slower at times. */
const LONGEST_STALL_MS = 1_000

describe('the care of partitions of plain PostgreSQL, when something is in the way', () => {
  let rig: CareRig

  const query = (text: string): Promise<readonly Record<string, unknown>[]> => rig.store.database.query(text)
  /** Rows of a day, evenly over its hours, into whichever partition there is. */
  const insertMany = (day: number, rows: number, device = 'many'): Promise<unknown> =>
    query(`INSERT INTO readings (device_id, ts, time_estimated, temperature)
           SELECT '${device}-' || n % 100, timestamptz 'epoch' + ${day} * interval '1 day' + n * (interval '1 day' / ${rows}), false, n
           FROM generate_series(0, ${rows - 1}) AS n`)
  const count = async (where = 'true'): Promise<number> =>
    Number((await query(`SELECT count(*) AS rows FROM readings WHERE ${where}`))[0]?.rows)
  const guards = () => query("SELECT conname FROM pg_constraint WHERE conname LIKE 'millrace%'")

  beforeEach(async () => {
    rig = await CareRig.open('postgres')
  })
  afterEach(() => rig[Symbol.asyncDispose]())

  it('has rows of a coming day moved out of the default partition, though that is large', async () => {
    await insertMany(TODAY - 30, 20_000)
    await insertMany(TODAY + 2, 1_000)
    const { made, movedRows, problems, strays } = await rig.pass({ daysAhead: 2 })
    expect([made, movedRows, problems]).to.deep.equal([3, 1_000, null])
    expect(strays).to.equal(
      '20000 rows lie in the default partition (2026-10-24: 20000): `millrace partitions drain` gives them partitions',
    )
    expect(await query('SELECT count(*) AS rows FROM readings_20261125')).to.deep.equal([{ rows: 1_000n }])
    expect(await guards()).to.deep.equal([])
  })

  it('drains a day of many rows in pieces, while others write and each reader sees each row once', async () => {
    await rig.pass({})
    await insertMany(TODAY - 1, 130_000)
    let [stopped, longestMs, written] = [false, 0, 0]
    const seen = new Set<number>()
    const writer = async (): Promise<void> => {
      for (let batch = 0; !stopped; batch++) {
        const beganMs = performance.now()
        await rig.store.write(Array.from({ length: 100 }, (_, row) => ({ device: `now-${batch}`, tsMs: NOON_MS + row, temperature: 1 })))
        longestMs = Math.max(longestMs, performance.now() - beganMs)
        written += 100
      }
    }
    const reader = async (): Promise<void> => {
      const client = await rig.store.database.connect()
      while (!stopped)
        seen.add(Number((await client.query("SELECT count(*) AS rows FROM readings WHERE device_id LIKE 'many%'")).rows[0].rows))
    }
    const working = Promise.all([writer(), reader()])
    const backend = createPostgresBackend()
    const { made, moved } = await rig.database.use((session) => backend.make(session, dayRange(TODAY - 1)))
    stopped = true
    await working
    console.log(`      longest write while 130,000 rows were moved: ${Math.round(longestMs)} ms`)
    expect(made).to.deep.equal(['readings_20261122', 'readings_20261122_180000'])
    expect([moved, [...seen], await count("device_id LIKE 'now%'")]).to.deep.equal([130_000, [130_000], written])
    expect(longestMs).to.be.lessThan(LONGEST_STALL_MS)
    expect((await rig.pass({})).strayRows).to.equal(0)
  })

  it('goes on where a drain was interrupted, and a store of the version before takes the day for made', async () => {
    await insertMany(TODAY - 1, 130_000)
    const backend = createPostgresBackend()
    const ending = (async () => {
      while ((await rig.tables('^readings_20261122$')).length === 0) await sleep(2)
      await query(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'test care' AND datname = current_database()",
      )
    })()
    const first = await rig.database.use((session) => backend.make(session, dayRange(TODAY - 1))).catch(() => undefined)
    await ending
    await rig.database.use((session) => backend.finish(session))
    await insertMany(TODAY - 1, 1_000, 'more')
    const second = await rig.database.use((session) => backend.make(session, dayRange(TODAY - 1)))
    expect([first, second.moved > 0, await count(), await query('SELECT FROM readings_default')]).to.deep.equal([
      undefined,
      true,
      131_000,
      [],
    ])
    expect(await rig.tables('^readings_20261122')).to.include('readings_20261122')
  })

  it('removes what a killed run left: a guard of the default partition, a table detached to be dropped', async () => {
    await rig.fill(TODAY - 5, TODAY)
    await query('ALTER TABLE readings_default ADD CONSTRAINT millrace_attaching_1 CHECK (ts < now()) NOT VALID')
    await query(`ALTER TABLE readings DETACH PARTITION readings_20261118;
      COMMENT ON TABLE readings_20261118 IS 'millrace: let go by storage.retention_days; the next run drops it.';
      ALTER TABLE readings DETACH PARTITION readings_20261119`)
    const { problems } = await rig.pass({})
    expect([problems, await guards(), await rig.tables('^readings_2026111[89]$')]).to.deep.equal([null, [], ['readings_20261119']])
  })

  it('makes the others if a table of somebody’s has the name of a day, and names it', async () => {
    await query('CREATE TABLE readings_20261124 (note text)')
    const { made, problems, daysReady } = await rig.pass({ daysAhead: 3 })
    expect([made, daysReady]).to.deep.equal([3, 0])
    expect(problems).to.equal(
      '2026-11-24: there is a table readings_20261124 that is no partition of readings: attach it, or rename it and try again',
    )
    await rig.store.write([{ device: 'hive', tsMs: (TODAY + 1) * DAY_MS, temperature: 1 }])
    expect((await rig.pass({ daysAhead: 3 })).strays).to.match(/1 rows lie in the default partition \(2026-11-24: 1\)/)
    await query('ALTER TABLE readings_20261124 RENAME TO notes')
    expect(await rig.pass({ daysAhead: 3 })).to.include({ made: 1, movedRows: 1, problems: null, strays: null, daysReady: 3 })
  })

  it('leaves partitions of somebody’s own weeks alone, and makes what they leave open', async () => {
    await query(`CREATE TABLE their_week PARTITION OF readings FOR VALUES FROM ('2026-11-16') TO ('2026-11-24 06:00:00+00');
      CREATE TABLE their_past PARTITION OF readings FOR VALUES FROM (MINVALUE) TO ('2026-11-01')`)
    await rig.store.write([{ device: 'hive', tsMs: NOON_MS, temperature: 1 }])
    const { problems } = await rig.pass({ daysAhead: 2, retentionDays: 1 })
    expect([problems, await rig.partitions()]).to.deep.equal([null, ['-Infinity to -22', '-7 to 1.25', '1.25 to 2', '2 to 3']])
    await rig.store.write([{ device: 'hive', tsMs: NOON_MS + DAY_MS, temperature: 1 }])
    expect(await query('SELECT count(*) AS rows FROM readings_20261124')).to.deep.equal([{ rows: 1n }])
  })

  it('waits for a reader without making writers wait, and drops in a later pass', async () => {
    await rig.fill(TODAY - 4, TODAY)
    await rig.pass({})
    const reader = await rig.store.database.connect()
    await reader.query('BEGIN; SELECT count(*) FROM readings')
    let [stopped, longestMs] = [false, 0]
    const writing = (async () => {
      for (let row = 0; !stopped; row++) {
        const beganMs = performance.now()
        await rig.store.write([{ device: `now-${row}`, tsMs: NOON_MS, temperature: 1 }])
        longestMs = Math.max(longestMs, performance.now() - beganMs)
      }
    })()
    const waiting = await rig.pass({ retentionDays: 3 })
    stopped = true
    await writing
    console.log(`      longest write beside a reader: ${Math.round(longestMs)} ms`)
    expect(waiting.problems).to.match(/^dropping readings_20261119: /)
    expect([waiting.dropped, waiting.failures > 0]).to.deep.equal([0, true])
    expect(longestMs).to.be.lessThan(LONGEST_STALL_MS)
    await reader.query('COMMIT')
    expect(await rig.pass({ retentionDays: 3 })).to.include({ dropped: 1, problems: null })
  })

  it('drops old rows of the default partition too, but none without a day', async () => {
    await rig.fill(TODAY, TODAY)
    await insertMany(TODAY - 30, 25_000)
    for (const ts of ['infinity', '-infinity'])
      await query(`INSERT INTO readings (device_id, ts, time_estimated) VALUES ('hive', '${ts}', false)`)
    const { droppedRows, strayRows, strays } = await rig.pass({ retentionDays: 3 })
    expect([droppedRows, strayRows]).to.deep.equal([25_000, 2])
    expect(strays).to.match(/^2 rows lie in the default partition \(no day: 2\)/)
  })

  it('is finished by the next pass, whenever it is killed', async () => {
    await insertMany(TODAY - 40, 20_000)
    for (let round = 0; round < 8; round++) {
      const nowMs = NOON_MS + round * DAY_MS
      await insertMany(TODAY + round, 100, `round-${round}`)
      await insertMany(TODAY + round + 2, 500, 'ahead')
      const killing = (async () => {
        await sleep(round * 9)
        await query(
          "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'test care' AND datname = current_database()",
        )
      })()
      await rig.pass({ daysAhead: 2, retentionDays: 60 }, nowMs)
      await killing
      await rig.pass({ daysAhead: 2, retentionDays: 60 }, nowMs)
      expect([round, await guards(), await count()]).to.deep.equal([round, [], 20_000 + (round + 1) * 600])
    }
    expect(await query('SELECT count(*) AS rows FROM readings_default')).to.deep.equal([{ rows: 20_000n }])
  })
})
