import { spawn } from 'node:child_process'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { expect } from 'chai'
import type { BackendName } from '../../connectors/postgres/backend.ts'
import { DAY_MS } from '../../processors/store/time-ranges.ts'
import type { RunOptions } from '../pipeline/archive-once.ts'
import { ArchiveRig } from '../pipeline/archive-rig.ts'
import { TODAY } from '../pipeline/care-rig.ts'
import type { TestRow } from '../pipeline/readings-batch.ts'

/** `make test` has so many; KILLS=200 for a long look. */
const KILLS = Number(process.env.KILLS ?? 12)

/** What a run of the archive leaves behind, whenever it is killed. */
export function archiveKills(backend: BackendName): void {
  describe(`a run of the archive on ${backend}`, () => {
    let rig: ArchiveRig

    beforeEach(async () => {
      rig = await ArchiveRig.open(backend)
    })
    afterEach(() => rig[Symbol.asyncDispose]())

    /** Rows of a day, relative to today. */
    const rows = (day: number, count: number, device: string): TestRow[] =>
      Array.from({ length: count }, (_, index) => ({ device, tsMs: (TODAY + day) * DAY_MS + index * 60_000, temperature: index / 10 }))

    it(`loses and doubles nothing, killed at ${KILLS} random moments`, async () => {
      let expected = 0
      const more = async (name: string, ...days: readonly number[]): Promise<void> => {
        const batch = days.flatMap((day) => rows(day, 40, name))
        await rig.write(batch)
        expected += batch.length
        await rig.care.rollUp()
      }
      // Two runs say how long one takes: one that archives, and one that merges.
      let longestMs = 0
      for (const name of ['first', 'second']) {
        await more(name, -3)
        const run = await prepared(rig)
        const begunMs = performance.now()
        run.begin()
        await run.ended
        longestMs = performance.now() - begunMs
      }
      const left: string[] = []
      // The next process starts while this one is killed.
      let next = prepared(rig)
      for (let kill = 0; kill < KILLS; kill++) {
        // Days that are new, and days that get late rows.
        await more(`device-${kill}`, -3, ...(kill % 4 === 1 ? [-4 - kill] : []))
        const run = await next
        next = prepared(rig)
        // Half of the moments are in the short time in which files take their places.
        const placing = kill % 2 === 1
        const afterMs = Math.random() * (placing ? 20 : longestMs)
        run.begin()
        if (placing) await Promise.race([run.ended, stateChanges(rig)])
        await Promise.race([run.ended, sleep(afterMs)])
        run.kill()
        await run.ended
        await serverIsDone(rig)
        const [table, archive] = [await rig.tableRows(), await rig.archivedRows()]
        expect(table + archive, `killed after ${Math.round(afterMs)} ms: ${table} rows in the table, ${archive} in the archive`).to.equal(
          expected,
        )
        const [found] = await rig.query("SELECT string_agg(state, '+' ORDER BY day) AS state FROM archived_days")
        left.push(`${found?.state}`.replace(/^(archived\+)+/, '') || 'archived')
      }
      ;(await next).kill()
      console.log(`      states that kills left: ${[...new Set(left)].join(', ')}`)
      for (const event of await rig.run()) expect(event.event).to.be.oneOf(['archived', 'finished'])
      expect([await rig.tableRows(), await rig.archivedRows()]).to.deep.equal([0, expected])
      const keys = await rig.read(`SELECT count(*)::integer AS rows, count(DISTINCT (device_id, ts))::integer AS keys FROM '${rig.glob}'`)
      expect(keys).to.deep.equal([{ rows: expected, keys: expected }])
      for (const day of [-3, -5, -9]) expect(await rig.files(day)).to.deep.equal(['manifest.json', 'readings.parquet'])
      expect(await rig.care.tables('^readings_2026(10..|11[01].|1120)')).to.deep.equal([])
    })

    it(`loses and doubles nothing while a day is brought back, killed at ${KILLS} random moments`, async () => {
      const expected = 400
      const restore = new Date((TODAY - 3) * DAY_MS).toISOString().slice(0, 10)
      await rig.write(rows(-3, expected, 'hive'))
      await rig.run()
      const timed = await prepared(rig, { restore })
      const begunMs = performance.now()
      timed.begin()
      await timed.ended
      const longestMs = performance.now() - begunMs
      expect([await rig.tableRows(), await rig.archivedRows()]).to.deep.equal([expected, 0])
      const left: string[] = []
      let next = prepared(rig, { restore })
      for (let kill = 0; kill < KILLS; kill++) {
        // Only what is in the archive can be brought back.
        await rig.run()
        if ((await rig.tableRows()) > 0) await rig.run({ day: restore })
        expect([await rig.tableRows(), await rig.archivedRows()]).to.deep.equal([0, expected])
        const run = await next
        next = prepared(rig, { restore })
        const committing = kill % 2 === 1
        const afterMs = Math.random() * (committing ? 10 : longestMs)
        run.begin()
        if (committing) await Promise.race([run.ended, stateChanges(rig)])
        await Promise.race([run.ended, sleep(afterMs)])
        run.kill()
        await run.ended
        await serverIsDone(rig)
        const [table, archive] = [await rig.tableRows(), await rig.archivedRows()]
        expect([table, archive], `killed after ${Math.round(afterMs)} ms`).to.deep.equal(table > 0 ? [expected, 0] : [0, expected])
        const [found] = await rig.query('SELECT state FROM archived_days')
        left.push(String(found?.state))
      }
      ;(await next).kill()
      console.log(`      states that kills left: ${[...new Set(left)].join(', ')}`)
      await rig.run()
      const files = await rig.files(-3)
      expect(files).to.deep.equal((await rig.tableRows()) > 0 ? [] : ['manifest.json', 'readings.parquet'])
    })
  })
}

interface PreparedRun {
  begin(): void
  kill(): void
  readonly ended: Promise<unknown>
}

/** A process that has loaded what it needs, and waits for a word. */
async function prepared(rig: ArchiveRig, more: Pick<RunOptions, 'restore'> = {}): Promise<PreparedRun> {
  const options: RunOptions = { url: rig.url, backend: rig.care.backend, directory: rig.directory, ...more }
  const child = spawn(process.execPath, [join(import.meta.dirname, '../pipeline/archive-run.js'), JSON.stringify(options)], {
    stdio: ['pipe', 'pipe', 'inherit'],
  })
  const ended = new Promise((resolve) => child.once('exit', resolve))
  await new Promise((resolve) => child.stdout.once('data', resolve))
  return {
    begin: () => void child.stdin.write('begin\n'),
    kill: () => void child.kill('SIGKILL'),
    ended,
  }
}

/** Until a run has begun to put a file in its place. */
async function stateChanges(rig: ArchiveRig): Promise<void> {
  for (let look = 0; look < 2_000; look++) {
    if ((await rig.query("SELECT FROM archived_days WHERE state <> 'archived'")).length > 0) return
    await sleep(1)
  }
}

/** The server notices at its next read or write that a client is gone. */
async function serverIsDone(rig: ArchiveRig): Promise<void> {
  for (;;) {
    const busy = await rig.query(
      "SELECT FROM pg_stat_activity WHERE datname = current_database() AND application_name IN ('test archive', 'test export')",
    )
    if (busy.length === 0) return
    await sleep(5)
  }
}
