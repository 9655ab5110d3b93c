import { spawn } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect } from 'chai'
import type pg from 'pg'
import { openSession } from '../../connectors/postgres/session.ts'
import { createRegistry } from '../../connectors/registry/registry.ts'
import { basisOf } from '../../ops/recompute/basis.ts'
import { table } from '../../processors/lookup-table.ts'
import { projectRoot } from '../../schemas/files.ts'
import { frameRecord, produce, testFirmware, wire } from './frames.ts'
import { millrace, type RunningService, startService, until } from './service.ts'
import { address, testDatabase } from './stack-clients.ts'

/** Of this run: the stack keeps records of earlier ones. */
const run = `rc${Date.now().toString(36)}`
const device = `${run}-hive`
/** Of the same firmware. */
const other = `${run}-other`
const DAY_MS = 86_400_000
/** Midnight of yesterday: the frames are of the day before and of yesterday. */
const MIDNIGHT_MS = (Math.floor(Date.now() / DAY_MS) - 1) * DAY_MS
const FRAME_SAMPLES = 140
/** Two readings a sample: 100,800 of the device. */
const FRAMES = 360
const ROWS = FRAMES * FRAME_SAMPLES
const FROM_MS = MIDNIGHT_MS - (FRAMES / 2) * FRAME_SAMPLES * 1000
const TO_MS = FROM_MS + ROWS * 1000
const iso = (ms: number): string => new Date(ms).toISOString()
const SPAN = ['--from', iso(FROM_MS - 1000), '--to', iso(TO_MS + 3_600_000)] as const
const WRONG = '0.02'
const RIGHT = '0.01'
/** Hundredths of a degree of a sample. */
const raw = (sample: number): number => 1500 + ((sample * 7) % 1000)

interface Ran {
  readonly code: number | null
  readonly said: string
}

interface Document {
  readonly wentOn: boolean
  readonly report: {
    readonly days: readonly {
      readonly day: string
      readonly before: number
      readonly now: number
      readonly changed: number
      readonly added: number
      readonly unbacked: number
    }[]
    readonly quantities: readonly {
      readonly quantity: string
      readonly differing: number
      readonly least: number
      readonly mean: number
      readonly greatest: number
      readonly added: number
      readonly unbacked: number
    }[]
  }
  readonly replaced: readonly { readonly updated: number; readonly inserted: number; readonly deleted: number; readonly applied: boolean }[]
}

describe('millrace recompute', () => {
  const registry = createRegistry(address('REGISTRY_URL'))
  const firmware = testFirmware(run)
  const services: RunningService[] = []
  const folder = mkdtempSync(join(tmpdir(), 'millrace-recompute-test-'))
  const config = join(folder, 'millrace.yaml')
  let telemetry: pg.Client
  let id: number

  before(async () => {
    // Small transactions, so that a kill is in the middle of something.
    writeFileSync(config, 'store: { batch_rows: 500 }\n')
    await millrace('migrate')
    await millrace('schemas', 'register')
    telemetry = testDatabase(address('TELEMETRY_DATABASE_URL'))
    await telemetry.connect()
    id = await registry.register(firmware.subject, firmware.schema(WRONG))
    await millrace('devices', 'add', '--account', run, '--site', 'orchard', '--from', iso(FROM_MS - DAY_MS), device, other)
    for (const args of [['run', 'standardise'], ['store']]) services.push(await startService(...args))
    await produce(Array.from({ length: FRAMES }, (_, seq) => frame(device, seq)))
    await produce(Array.from({ length: 10 }, (_, seq) => frame(other, seq)))
    await until('all rows are stored', async () => (await count(device)) === ROWS && (await count(other)) === 10 * FRAME_SAMPLES, 60_000)
  })

  after(async () => {
    for (const service of services) await service[Symbol.asyncDispose]()
    await telemetry.end()
    rmSync(folder, { recursive: true, force: true })
  })

  const frame = (of: string, seq: number, samples = FRAME_SAMPLES) => {
    const first = seq * FRAME_SAMPLES
    const values = Array.from({ length: samples }, (_, index) => raw(first + index))
    return frameRecord(of, wire(id, firmware.datum(seq, FROM_MS + first * 1000, values)))
  }

  async function figure(text: string, values: readonly unknown[] = []): Promise<number> {
    const { rows } = await telemetry.query<{ figure: string }>(`SELECT (${text})::text AS figure`, [...values])
    return Number(rows[0]?.figure)
  }
  const count = (of: string, where = 'true'): Promise<number> =>
    figure(`SELECT count(*) FROM readings WHERE device_id = $1 AND (${where})`, [of])
  /** Rows whose temperature is what the sample of their time gives by a scale. */
  const converted = (of: string, scale: string): Promise<number> =>
    figure(
      `SELECT count(*) FROM readings, CAST(extract(epoch FROM ts) - $2 AS bigint) AS sample
       WHERE device_id = $1 AND temperature = CAST((1500 + (sample * 7) % 1000) * $3::numeric AS double precision)`,
      [of, FROM_MS / 1000, scale],
    )

  /** The command as its users run it, with a hand on it that may kill it. */
  async function recompute(args: readonly string[], once?: (kill: () => void) => Promise<void>): Promise<Ran> {
    const child = spawn(process.execPath, [`${projectRoot}dist/bin/millrace.js`, 'recompute', ...args, '--config', config], {
      stdio: ['ignore', 'pipe', 'pipe'],
    })
    let said = ''
    for (const stream of [child.stdout, child.stderr]) stream.on('data', (chunk: Buffer) => (said += String(chunk)))
    const ended = new Promise<number | null>((resolve, reject) => child.once('error', reject).once('close', resolve))
    await once?.(() => void child.kill('SIGKILL')).catch((cause: unknown) => {
      child.kill('SIGKILL')
      throw new Error(`after it said: ${said}`, { cause })
    })
    return { code: await ended, said }
  }

  const report = (...args: readonly string[]): Promise<Document> => reportOf(SPAN, ...args)
  async function reportOf(span: readonly string[], ...args: readonly string[]): Promise<Document> {
    const { code, said } = await recompute(['--device', device, ...span, '--json', ...args])
    expect(code, said).to.equal(0)
    return JSON.parse(said.split('\n').find((line) => line.startsWith('{')) ?? '') as Document
  }

  const rollups = async (of: string): Promise<{ readonly different: number; readonly hours: number }> => ({
    hours: await figure('SELECT count(*) FROM readings_hourly WHERE device_id = $1', [of]),
    different: await figure(
      `SELECT count(*) FROM (SELECT date_bin('1 hour', ts, 'epoch') AS hour, count(*) AS rows, min(temperature) AS least, max(temperature) AS most,
         sum(temperature) AS sum FROM readings WHERE device_id = $1 GROUP BY 1) AS r FULL JOIN (SELECT * FROM readings_hourly WHERE device_id = $1) AS v USING (hour)
       WHERE (r.rows = v.rows AND r.least = v.temperature_min AND r.most = v.temperature_max AND abs(r.sum - v.temperature_sum) < 1e-6) IS NOT TRUE`,
      [of],
    ),
  })

  it('finds nothing to change as long as the conversion is what it was', async () => {
    const { report: found } = await report()
    expect(found.days.map(({ before, now, changed, added, unbacked }) => [before, now, changed, added, unbacked])).to.deep.equal([
      [ROWS / 2, ROWS / 2, 0, 0, 0],
      [ROWS / 2, ROWS / 2, 0, 0, 0],
    ])
    expect(found.quantities).to.deep.equal([])
  })

  it('says what a corrected scale changes, and changes nothing by that', async () => {
    await registry.register(firmware.subject, firmware.schema(RIGHT))
    const { report: found, replaced } = await report('--dry-run')
    expect(found.days.map(({ changed }) => changed)).to.deep.equal([ROWS / 2, ROWS / 2])
    const [temperature, ...more] = found.quantities
    expect(more).to.deep.equal([])
    expect(temperature).to.include({ quantity: 'temperature', differing: ROWS, added: 0, unbacked: 0 })
    expect([temperature?.least, temperature?.greatest].map((value) => value?.toFixed(6))).to.deep.equal(['-24.990000', '-15.000000'])
    expect(replaced).to.deep.equal([])
    expect(await converted(device, WRONG)).to.equal(ROWS)
    const { rows } = await telemetry.query("SELECT to_regnamespace('millrace_recompute') AS left")
    expect(rows[0]).to.deep.equal({ left: null })
  })

  it('replaces every row, killed while it reads and while it replaces, and no other device', async () => {
    const apply = ['--device', device, ...SPAN, '--apply'] as const
    const first = await recompute(apply, async (kill) => {
      const rows = async (): Promise<number> =>
        (await figure("SELECT count(*) FROM pg_class WHERE oid = to_regclass('millrace_recompute.readings')")) === 0
          ? 0
          : await figure('SELECT count(*) FROM millrace_recompute.readings')
      await until('some rows are recomputed', async () => (await rows()) > 0, 60_000)
      kill()
      expect(await rows()).to.be.below(ROWS)
    })
    expect(first.code).to.equal(null)
    expect(await converted(device, WRONG)).to.equal(ROWS)
    // A frame that comes late, and one that Kafka gets twice.
    await produce([frame(device, FRAMES, 20), frame(device, 3)])
    await until('the late frame is stored', async () => (await count(device)) === ROWS + 20)
    // Yesterday's first row is held, so that its day cannot be replaced yet.
    const holder = testDatabase(address('TELEMETRY_DATABASE_URL'))
    await holder.connect()
    try {
      await holder.query('BEGIN')
      await holder.query('SELECT FROM readings WHERE device_id = $1 AND ts = $2 FOR UPDATE', [device, iso(MIDNIGHT_MS)])
      const second = await recompute(apply, async (kill) => {
        const applied = (): Promise<number> =>
          figure('SELECT count(*) FROM recompute_day JOIN recompute_run ON id = run WHERE devices = $1 AND applied_at IS NOT NULL', [
            [device],
          ])
        await until('the first day is replaced', async () => (await applied()) === 1, 60_000)
        kill()
      })
      expect(second.code).to.equal(null)
      expect(await converted(device, RIGHT)).to.be.greaterThan(0)
      expect(await converted(device, WRONG)).to.be.greaterThan(0)
    } finally {
      await holder.query('ROLLBACK')
      await holder.end()
    }
    const last = await report('--apply')
    expect(last.wentOn).to.equal(true)
    expect(last.replaced.map(({ inserted, deleted, applied }) => [inserted, deleted, applied])).to.deep.equal([
      [0, 0, true],
      [0, 0, true],
    ])
    // Standardise has a corrected conversion within 10 s: the late frame may have come before.
    const [before, yesterday] = last.replaced.map(({ updated }) => updated)
    expect(before).to.equal(ROWS / 2)
    expect(yesterday).to.be.oneOf([ROWS / 2, ROWS / 2 + 20])
    expect(await converted(device, RIGHT)).to.equal(ROWS + 20)
    expect(await converted(other, WRONG)).to.equal(10 * FRAME_SAMPLES)
    expect(await rollups(device)).to.include({ different: 0 })
    expect(await rollups(other)).to.deep.equal({ different: 0, hours: 1 })
    expect((await report()).report.quantities).to.deep.equal([])
  })

  it('takes ranges of `millrace sites recompute` off the list if all of them is within the span', async () => {
    const app = testDatabase(address('APP_DATABASE_URL'))
    await app.connect()
    try {
      const hour = 3_600_000
      const [within, beyond] = [
        [FROM_MS, FROM_MS + hour],
        [TO_MS - hour, TO_MS + 24 * hour],
      ].map((times) => times.map(iso))
      await app.query(
        `INSERT INTO recompute_ranges (device_id, since, until, account_id, site_id)
         SELECT $1, since, until, (SELECT id FROM accounts WHERE name = $2), NULL FROM unnest($3::timestamptz[], $4::timestamptz[]) AS r (since, until)`,
        [device, run, [within?.[0], beyond?.[0]], [within?.[1], beyond?.[1]]],
      )
      const listed = async (): Promise<number> => (await millrace('sites', 'recompute', '--account', run)).split(device).length - 1
      expect(await listed()).to.equal(2)
      await report()
      expect(await listed()).to.equal(2)
      await report('--apply')
      const { rows } = await app.query<{ until: Date }>('SELECT until FROM recompute_ranges WHERE device_id = $1', [device])
      expect(rows.map(({ until }) => until.toISOString())).to.deep.equal([beyond?.[1]])
      expect(await listed()).to.equal(1)
    } finally {
      await app.end()
    }
  })

  it('begins anew if a row has changed that a processor looks up, and not for what it does not see', async () => {
    const session = await openSession({ url: address('APP_DATABASE_URL'), applicationName: 'test' })
    try {
      await session.script('making a table', 'CREATE TEMP TABLE offsets (device text PRIMARY KEY, by float8 NOT NULL, remark text)')
      await session.script('filling it', "INSERT INTO offsets VALUES ('a', 1, ''), ('b', 2, '')")
      const offsets = table({ name: 'offsets', key: 'device', columns: { by: 'number' } })
      const basis = (): Promise<string> =>
        basisOf({ registry, app: session, devices: [device], dialects: [], tables: [offsets], topicIds: [] })
      const before = await basis()
      await session.script('changing what nobody sees', "UPDATE offsets SET remark = 'x'")
      expect(await basis()).to.equal(before)
      await session.script('changing a value', "UPDATE offsets SET by = 3 WHERE device = 'b'")
      expect(await basis()).to.not.equal(before)
      await session.script('changing it back', "UPDATE offsets SET by = 2 WHERE device = 'b'")
      expect(await basis()).to.equal(before)
    } finally {
      await session.close()
    }
  })

  it('adds rows that are missing, keeps rows and values that no frame gives, and deletes these if told to', async () => {
    // A quarter of an hour.
    const begin = ['--from', iso(FROM_MS), '--to', iso(FROM_MS + 900_000)]
    const [lone, valued] = [iso(FROM_MS + 500), iso(FROM_MS + 1000)]
    await telemetry.query('INSERT INTO readings (device_id, ts, time_estimated, temperature) VALUES ($1, $2, false, 4)', [device, lone])
    await telemetry.query('UPDATE readings SET pressure = 400 WHERE device_id = $1 AND ts = $2', [device, valued])
    await telemetry.query('DELETE FROM readings WHERE device_id = $1 AND ts >= $2 AND ts < $3', [
      device,
      iso(FROM_MS + 10_000),
      iso(FROM_MS + 20_000),
    ])
    const kept = await reportOf(begin, '--apply')
    expect(kept.replaced.map(({ inserted }) => inserted)).to.deep.equal([10])
    expect(kept.report.days.map(({ unbacked }) => unbacked)).to.deep.equal([1])
    expect(kept.report.quantities).to.deep.equal([
      { quantity: 'pressure', differing: 0, least: 0, mean: 0, greatest: 0, added: 0, unbacked: 1 },
    ])
    expect(await count(device, 'temperature = 4 OR pressure = 400')).to.equal(2)
    const rows = await reportOf(begin, '--apply', '--delete-unbacked', 'rows')
    expect(rows.replaced.reduce((sum, { deleted }) => sum + deleted, 0)).to.equal(1)
    expect([await count(device, 'temperature = 4'), await count(device, 'pressure = 400')]).to.deep.equal([0, 1])
    const values = await reportOf(begin, '--apply', '--delete-unbacked', 'values')
    expect(values.replaced.reduce((sum, { updated }) => sum + updated, 0)).to.equal(1)
    expect([await count(device, 'pressure IS NOT NULL'), await count(device)]).to.deep.equal([0, ROWS + 20])
    expect(await converted(device, RIGHT)).to.equal(ROWS + 20)
    expect(await rollups(device)).to.include({ different: 0 })
  })

  it('refuses what it cannot recompute', async () => {
    const channel = await recompute(['--device', `${device}/brood`, ...SPAN])
    expect([channel.code, channel.said]).to.satisfy(
      ([code, said]: [number, string]) => code === 2 && said.includes('its channels are recomputed with it'),
    )
    const nobody = await recompute(['--account', `${run}-nobody`, ...SPAN])
    expect([nobody.code, nobody.said]).to.satisfy(
      ([code, said]: [number, string]) => code === 2 && said.includes('there is no such account'),
    )
  })
})
