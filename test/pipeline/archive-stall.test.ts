import { setTimeout as sleep } from 'node:timers/promises'
import { expect } from 'chai'
import type { BackendName } from '../../connectors/postgres/backend.ts'
import { DAY_MS, HOUR_MS } from '../../processors/store/time-ranges.ts'
import { keepPartitions } from '../../services/store/partition-care.ts'
import { ManualClock } from '../memory/manual-clock.ts'
import { ArchiveRig } from './archive-rig.ts'
import { NOON_MS, TODAY } from './care-rig.ts'

/** The bound is 250 ms; on a busy machine the writer itself is slower at times. */
const LONGEST_STALL_MS = 1_000
const ROWS_A_DAY = 30_000
const DAYS = 3
const BATCH = 100

function writing(backend: BackendName): void {
  it(`lets a writer at full speed through midnights, partition care, archive and a day that is brought back, on ${backend}: nothing is lost`, async () => {
    await using rig = await ArchiveRig.open(backend)
    for (let day = TODAY - DAYS; day < TODAY; day++) {
      await rig.care.fill(day, day)
      await rig.query(`INSERT INTO readings (device_id, ts, time_estimated, temperature)
        SELECT 'old-' || n % 100, timestamptz 'epoch' + ${day} * interval '1 day' + n * interval '2 seconds', false, n FROM generate_series(1, ${ROWS_A_DAY}) AS n`)
    }
    const clock = new ManualClock(NOON_MS)
    const problems = new Set<string>()
    const care = keepPartitions(
      rig.care.options({
        settings: { daysAhead: 1, retentionDays: undefined },
        clock,
        databaseMs: async () => clock.nowMs(),
        problem: (_, what) => void (what === null || problems.add(what)),
      }),
    )
    let [stopped, written] = [false, 0]
    let during = 'nothing'
    const longest: Record<string, number> = {}
    const writer = (async () => {
      for (let batch = 0; !stopped; batch++) {
        const [nowMs, meanwhile, beganMs] = [clock.nowMs(), during, performance.now()]
        await rig.write(Array.from({ length: BATCH }, (_, row) => ({ device: `now-${row}`, tsMs: nowMs + batch * 10, temperature: 1 })))
        longest[meanwhile] = Math.max(longest[meanwhile] ?? 0, performance.now() - beganMs)
        written += BATCH
      }
    })()
    const archived: string[] = []
    for (let day = 0; day < DAYS; day++) {
      during = 'midnight and partition care'
      for (let hour = 0; hour < 24; hour++) {
        await clock.advance(HOUR_MS)
        await sleep(20)
      }
      during = 'archive'
      for (const event of await rig.run({ nowMs: clock.nowMs() })) {
        if (event.event === 'archived') archived.push(event.day)
        expect(event.event).to.be.oneOf(['archived', 'finished'])
      }
    }
    during = 'restore'
    const restored = new Date((TODAY - DAYS) * DAY_MS).toISOString().slice(0, 10)
    expect((await rig.run({ nowMs: clock.nowMs(), restore: restored })).at(-1)).to.include({ event: 'restored', rows: ROWS_A_DAY + 1 })
    stopped = true
    await writer
    await care[Symbol.asyncDispose]()
    const figures = Object.entries(longest).map(([what, ms]) => `${what} ${Math.round(ms)} ms`)
    console.log(`      longest write of ${BATCH} rows: ${figures.join(', ')}; ${written} rows, ${archived.length} days archived`)
    const [kept] = await rig.query('SELECT count(*) AS rows FROM readings')
    // One of today's, for age counts from it.
    expect(Number(kept?.rows) + (await rig.archivedRows())).to.equal(written + DAYS * (ROWS_A_DAY + 1) + 1)
    // Those of before, and of the days that passed all but the last.
    expect(archived).to.have.length(2 * DAYS - 1)
    expect([...problems]).to.deep.equal([])
    expect(Math.max(...Object.values(longest))).to.be.lessThan(LONGEST_STALL_MS)
  })
}

describe('while old days go to the archive, the store', () => {
  for (const backend of ['postgres', 'timescaledb'] as const) writing(backend)
})
