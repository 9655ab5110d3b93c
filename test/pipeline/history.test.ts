import { spawn } from 'node:child_process'
import { mkdtemp, readFile, rm, stat } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { expect } from 'chai'
import type { BackendName } from '../../connectors/postgres/backend.ts'
import { DAY_MS } from '../../processors/store/time-ranges.ts'
import { projectRoot } from '../../schemas/files.ts'
import { ArchiveRig } from './archive-rig.ts'
import { TODAY } from './care-rig.ts'
import type { TestRow } from './readings-batch.ts'
import { millrace } from './service.ts'

const dayMs = (day: number): number => (TODAY + day) * DAY_MS
const iso = (ms: number): string => new Date(ms).toISOString()
const HOSTILE = '=cmd("<b>a\nb</b>", 1)'

function writingHistory(backend: BackendName): void {
  describe(`history on ${backend}`, () => {
    let rig: ArchiveRig
    let folder: string

    beforeEach(async () => {
      rig = await ArchiveRig.open(backend)
      folder = await mkdtemp(join(tmpdir(), 'millrace-history-test-'))
    })
    afterEach(async () => {
      await rig[Symbol.asyncDispose]()
      await rm(folder, { recursive: true, force: true })
    })

    interface Ran {
      readonly code: number | null
      readonly out: string
      readonly said: string
      /** Most resident memory. */
      readonly peakBytes: number
    }

    /** The command as its users run it. @param once called with the process when it has begun */
    async function history(args: readonly string[], once?: (child: ReturnType<typeof spawn>) => Promise<void>): Promise<Ran> {
      const child = spawn(`${projectRoot}bin/millrace`, ['history', ...args], {
        env: { ...process.env, TELEMETRY_DATABASE_URL: rig.url },
        stdio: ['ignore', 'pipe', 'pipe'],
      })
      let [out, said, peakBytes] = ['', '', 0]
      child.stdout.on('data', (chunk: Buffer) => (out += String(chunk)))
      child.stderr.on('data', (chunk: Buffer) => (said += String(chunk)))
      const ended = new Promise<number | null>((resolve, reject) => child.once('error', reject).once('close', resolve))
      const watching = setInterval(async () => {
        const status = await readFile(`/proc/${child.pid}/status`, 'utf8').catch(() => '')
        peakBytes = Math.max(peakBytes, Number(/^VmHWM:\s+(\d+) kB$/m.exec(status)?.[1] ?? 0) * 1024)
      }, 50)
      try {
        await once?.(child)
        return { code: await ended, out, said, peakBytes }
      } finally {
        clearInterval(watching)
      }
    }

    const span = (from: number, to: number): readonly string[] => ['--from', iso(dayMs(from)), '--to', iso(dayMs(to))]

    const rows = (day: number, device: string, more: Partial<TestRow> = {}): TestRow[] =>
      Array.from({ length: 200 }, (_, index) => ({ device, tsMs: dayMs(day) + index * 432_000 + 1, temperature: index / 7, ...more }))

    /** Many rows of one device. */
    async function many(count: number): Promise<void> {
      const client = await rig.care.store.database.connect()
      await client.query(
        `INSERT INTO readings (device_id, ts, time_estimated, temperature, humidity)
         SELECT 'many', timestamptz '${iso(dayMs(0))}' + n * interval '100 microseconds', false, n / 7.0, CASE WHEN n % 3 = 0 THEN n END
         FROM generate_series(1, ${count}) AS n`,
      )
    }

    it('has each reading once and in order from table and archive, late rows merged, in Parquet, CSV and NDJSON that DuckDB reads', async () => {
      for (const device of ['hive', HOSTILE, 'other'])
        for (const day of [-4, -3, -2, -1]) await rig.write(rows(day, device, { account: 7 }))
      await rig.run()
      expect((await rig.archived()).length).to.equal(3)
      const late = dayMs(-3)
      await rig.write([
        { device: HOSTILE, tsMs: late + 1, humidity: 50 },
        { device: HOSTILE, tsMs: late + 2, temperature: 1 },
      ])
      const args = ['--device', HOSTILE, '--device', 'hive', ...span(-4, 0)]
      for (const [format, read] of [
        ['parquet', (path: string) => `read_parquet('${path}')`],
        [
          'csv',
          (path: string) =>
            `read_csv('${path}', header = true, types = {ts: 'TIMESTAMPTZ', device_id: 'VARCHAR', humidity: 'DOUBLE', weight: 'DOUBLE'})`,
        ],
        [
          'ndjson',
          (path: string) =>
            `read_json('${path}', format = 'newline_delimited', columns = {device_id: 'VARCHAR', ts: 'TIMESTAMPTZ', account_id: 'BIGINT', temperature: 'DOUBLE', humidity: 'DOUBLE', weight: 'DOUBLE'})`,
        ],
      ] as const) {
        const path = join(folder, `out.${format}`)
        const { code, said } = await history([...args, '--format', format, '--out', path])
        expect([code, said.split('\n').at(-2)]).to.deep.equal([0, `1,601 rows written to ${path}`])
        const found = await rig.read(
          `SELECT device_id AS device, count(*)::integer AS rows, count(DISTINCT ts)::integer AS times, sum(temperature) AS sum,
             count(humidity)::integer AS humid, count(weight)::integer AS weighed, min(typeof(ts)) AS type, sum(account_id)::integer AS accounts,
             min(epoch_ms(ts))::bigint::text AS first
           FROM ${read(path)} GROUP BY device_id ORDER BY device_id DESC`,
        )
        const sum = (4 * 199 * 100) / 7
        expect(found.map(({ sum: _, ...rest }) => rest)).to.deep.equal([
          {
            device: 'hive',
            rows: 800,
            times: 800,
            humid: 0,
            weighed: 0,
            type: 'TIMESTAMP WITH TIME ZONE',
            accounts: 5600,
            first: String(dayMs(-4) + 1),
          },
          {
            device: HOSTILE,
            rows: 801,
            times: 801,
            humid: 1,
            weighed: 0,
            type: 'TIMESTAMP WITH TIME ZONE',
            accounts: 5600,
            first: String(dayMs(-4) + 1),
          },
        ])
        expect(Number(found[0]?.sum)).to.be.closeTo(sum, 1e-6)
        expect(Number(found[1]?.sum)).to.be.closeTo(sum + 1, 1e-6)
        const unordered = `SELECT count(*)::integer AS n FROM (SELECT device_id = lag(device_id) OVER () AND ts <= lag(ts) OVER () AS wrong FROM ${read(path)}) WHERE wrong`
        expect(await rig.read(unordered)).to.deep.equal([{ n: 0 }])
      }
    })

    it('has the same buckets as readings_of, before its days are archived and after, and shows them as a table', async () => {
      for (const day of [-3, -2]) await rig.write(rows(day, 'hive'))
      const asked = async (every: string): Promise<unknown> => {
        const { out, code } = await history(['--device', 'hive', ...span(-3, -1), '--every', every, '--format', 'ndjson'])
        expect(code).to.equal(0)
        return out
          .trim()
          .split('\n')
          .map((line) => {
            const { device_id, bucket, ...figures } = JSON.parse(line) as Record<string, unknown>
            expect(device_id).to.equal('hive')
            return { bucket: Date.parse(String(bucket)), ...figures }
          })
      }
      const close = (found: unknown, expected: unknown): void => {
        const exact = (rows: unknown): unknown =>
          (rows as Record<string, unknown>[]).map(({ avg, sum, ...rest }) => [
            rest,
            Number(avg).toPrecision(12),
            Number(sum).toPrecision(12),
          ])
        expect(exact(found)).to.deep.equal(exact(expected))
      }
      const expected = new Map<string, unknown>()
      for (const every of ['15m', '2h', '1d']) {
        const found = await rig.query(
          `SELECT CAST(extract(epoch FROM bucket) * 1000 AS bigint) AS bucket, quantity, count, avg, min, max, sum, first, last
           FROM readings_of('hive', '${iso(dayMs(-3))}', '${iso(dayMs(-1))}', '${every.replace('d', ' day').replace('m', ' minutes').replace('h', ' hours')}') ORDER BY bucket, quantity`,
        )
        expected.set(
          every,
          found
            .map(({ bucket, count, ...rest }) => ({ bucket: Number(bucket), ...rest, count: Number(count) }))
            .map(({ bucket, quantity, count, ...rest }: Record<string, unknown>) => ({ bucket, quantity, count, ...rest })),
        )
        close(await asked(every), expected.get(every))
      }
      await rig.run()
      expect(await rig.archived()).to.have.length(2)
      for (const [every, buckets] of expected) close(await asked(every), buckets)
      const { out } = await history(['--device', 'hive', ...span(-3, -2), '--every', '1d'])
      expect(out.split('\n')[0]?.split(/\s{2,}/)).to.deep.equal([
        'device_id',
        'bucket',
        'quantity',
        'count',
        'avg',
        'min',
        'max',
        'sum',
        'first',
        'last',
      ])
      expect(
        out
          .split('\n')[1]
          ?.split(/\s{2,}/)
          .slice(0, 4),
      ).to.deep.equal(['hive', '2026-11-20T00:00:00.000000Z', 'temperature', '200'])
    })

    it('takes the same memory for any number of rows, and Ctrl-C ends with a file that has what it says', async () => {
      const count = 400_000
      await many(count)
      const path = join(folder, 'all.parquet')
      const whole = await history(['--device', 'many', ...span(0, 1), '--format', 'parquet', '--out', path])
      expect([whole.code, whole.said.split('\n').at(-2)]).to.deep.equal([0, `400,000 rows written to ${path}`])
      expect(whole.peakBytes).to.be.lessThan(200 * 1024 * 1024)
      const figures = (from: string): string =>
        `SELECT count(*)::integer AS rows, count(humidity)::integer AS humid, round(sum(temperature), 3) AS sum, max(epoch_us(ts))::text AS last FROM ${from}`
      const [found] = await rig.read(figures(`'${path}'`))
      expect(found).to.deep.include({ rows: count, humid: Math.floor(count / 3), last: String(dayMs(0) * 1000 + count * 100) })
      expect(Number(found?.sum)).to.be.closeTo((count * (count + 1)) / 14, 1)
      for (const format of ['parquet', 'csv']) {
        const cut = join(folder, `cut.${format}`)
        const { code, said } = await history(['--device', 'many', ...span(0, 1), '--format', format, '--out', cut], async (child) => {
          while ((await stat(cut).catch(() => ({ size: 0 }))).size < 300_000) await delay(5)
          child.kill('SIGINT')
        })
        expect(code).to.equal(1)
        const said_ = Number(/^([\d,]+) rows written to .*, interrupted: the rest is missing$/m.exec(said)?.[1]?.replaceAll(',', ''))
        expect(said_).to.be.within(1, count - 1)
        const [kept] = await rig.read(figures(format === 'csv' ? `read_csv('${cut}', header = true)` : `'${cut}'`))
        expect(kept?.rows).to.equal(said_)
        expect(Number(kept?.sum)).to.be.closeTo((said_ * (said_ + 1)) / 14, 1)
      }
    })
  })
}

writingHistory('postgres')
writingHistory('timescaledb')

describe('history', () => {
  const refused = async (...args: readonly string[]): Promise<string> => {
    const child = spawn(`${projectRoot}bin/millrace`, ['history', ...args], { stdio: ['ignore', 'ignore', 'pipe'] })
    let said = ''
    child.stderr.on('data', (chunk: Buffer) => (said += String(chunk)))
    const code = await new Promise<number | null>((resolve) => child.once('close', resolve))
    expect(code).to.equal(2)
    return said
  }

  it('refuses what it cannot do, and says what was expected', async () => {
    await millrace('migrate')
    const device = ['--device', 'hive']
    expect(await refused(...device, '--from', '2026-11-24T00:00Z', '--to', '2026-11-23T00:00Z')).to.contain(
      '--from and --to: expected the first to be earlier, got 2026-11-24T00:00:00.000Z and 2026-11-23T00:00:00.000Z',
    )
    expect(await refused(...device, '--from', '2026-11-24T00:00:00')).to.contain('--from: expected a time with its zone')
    expect(await refused(...device, '--from', '1h', '--format', 'parquet')).to.contain('--format parquet: expected --out')
    expect(await refused(...device, '--from', '1h', '--quantity', 'temprature')).to.contain(
      'readings have no quantity "temprature": expected some of temperature, humidity',
    )
    expect(await refused(...device, '--from', '1h', '--every', '1 month')).to.contain('--every: expected a duration')
  })
})
