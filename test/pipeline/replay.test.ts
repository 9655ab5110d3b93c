import { type ChildProcess, spawn } from 'node:child_process'
import { mkdtemp, readFile, rm, stat } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { DuckDBInstance } from '@duckdb/node-api'
import { expect } from 'chai'
import type pg from 'pg'
import { KAFKAJS, openAdmin } from '../../connectors/kafka/client.ts'
import { createProducer } from '../../connectors/kafka/producer.ts'
import { ensureTopics } from '../../connectors/kafka/topics.ts'
import { createRegistry } from '../../connectors/registry/registry.ts'
import type { Topic } from '../../processors/contract.ts'
import { topics, valueSubject } from '../../processors/topics.ts'
import { avroType } from '../../schemas/avro-type.ts'
import { projectRoot } from '../../schemas/files.ts'
import { deviceStatusSchema } from '../../schemas/generated/device-status.ts'
import { frameRecord, produce, testFirmware, wire } from './frames.ts'
import { produceRaw } from './raw-messages.ts'
import { readingsRecords } from './readings-records.ts'
import { millrace, startService, until } from './service.ts'
import { address, quiet, testDatabase, testKafka } from './stack-clients.ts'

/** Of this run: the stack keeps records of earlier ones. */
const run = `rp${Date.now().toString(36)}`
const device = `${run}-hive`
const HOUR_MICROS = 3_600_000_000
/** Yesterday's midnight: what is of one day is replayed by its own time, not by that of receipt. */
const DAY_MICROS = (Math.floor(Date.now() / 86_400_000) - 1) * 86_400_000_000
const RECORDS = 240
const SAMPLES = 360
const iso = (micros: number): string => new Date(micros / 1000).toISOString()
const DAY = ['--from', iso(DAY_MICROS), '--to', iso(DAY_MICROS + 24 * HOUR_MICROS)] as const

interface Ran {
  readonly code: number | null
  readonly out: string
  readonly said: string
  /** Most resident memory. */
  readonly peakBytes: number
}

/** The command as its users run it. @param once called with the process when it has begun */
async function replay(args: readonly string[], once?: (child: ChildProcess) => Promise<void>, cwd = tmpdir()): Promise<Ran> {
  const child = spawn(`${projectRoot}bin/millrace`, ['replay', ...args], { stdio: ['ignore', 'pipe', 'pipe'], cwd })
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

async function duck(sql: string): Promise<readonly Record<string, unknown>[]> {
  const instance = await DuckDBInstance.create(':memory:', { threads: '1' })
  const connection = await instance.connect()
  try {
    return (await connection.runAndReadAll(sql)).getRowObjectsJson()
  } finally {
    connection.closeSync()
    instance.closeSync()
  }
}

describe('millrace replay', () => {
  let telemetry: pg.Client
  let app: pg.Client
  let folder: string
  const kafka = testKafka()
  const groups = async (): Promise<readonly string[]> => {
    await using admin = openAdmin(kafka)
    return (await (await admin[KAFKAJS]()).listGroups()).groups.map(({ groupId }) => groupId).sort()
  }

  before(async () => {
    await millrace('migrate')
    await millrace('schemas', 'register')
    folder = await mkdtemp(join(tmpdir(), 'millrace-replay-test-'))
    telemetry = testDatabase(address('TELEMETRY_DATABASE_URL'))
    app = testDatabase(address('APP_DATABASE_URL'))
    await telemetry.connect()
    await app.connect()
    await millrace('devices', 'add', '--account', run, '--site', 'orchard', device)
    const { rows } = await app.query(
      'SELECT a.id AS account, s.id AS site FROM accounts AS a JOIN sites AS s ON s.account_id = a.id WHERE a.name = $1',
      [run],
    )
    const { account, site } = rows[0] as { account: string; site: string }
    // A day of one device, and a record of the days before and after it; another device between.
    const every = (24 * HOUR_MICROS) / (RECORDS * SAMPLES)
    const day = Array.from({ length: RECORDS }, (_, record) => ({
      device,
      tsMicros: DAY_MICROS + record * SAMPLES * every,
      everyMicros: every,
      temperatures: Array.from({ length: SAMPLES }, (__, sample) => (sample % 10 === 9 ? null : ((record * SAMPLES + sample) % 701) / 7)),
      account: Number(account),
      site: Number(site),
    }))
    const around = [-1, 24].map((hours) => ({
      ...(day[0] as (typeof day)[number]),
      tsMicros: DAY_MICROS + hours * HOUR_MICROS,
      temperatures: [1, 2],
    }))
    const others = day.slice(0, 20).map((each) => ({ ...each, device: `${run}-other`, temperatures: each.temperatures.slice(0, 5) }))
    await produce(await readingsRecords([...around, ...others, ...day]))
    await using store = await startService('store')
    await until('all rows are there', async () => (await stored()).rows === RECORDS * SAMPLES, 60_000)
    expect(store.pid).to.be.greaterThan(0)
  })

  after(async () => {
    await telemetry.end()
    await app.end()
    await rm(folder, { recursive: true, force: true })
  })

  interface Figures {
    readonly rows: number
    readonly temperatures: number
    readonly sum: string
    readonly times: string
    readonly first: string
  }
  /** Of the day, in a table. */
  async function stored(table = 'readings'): Promise<Figures> {
    const { rows } = await telemetry.query(
      `SELECT count(*)::integer AS rows, count(temperature)::integer AS temperatures, trunc(coalesce(sum(round(temperature::numeric * 1000000)), 0))::text AS sum,
         trunc(coalesce(sum(extract(epoch FROM ts) * 1000000), 0))::text AS times, coalesce((extract(epoch FROM min(ts)) * 1000000)::bigint::text, '') AS first
       FROM ${table} WHERE device_id = $1 AND ts >= $2 AND ts < $3`,
      [device, iso(DAY_MICROS), iso(DAY_MICROS + 24 * HOUR_MICROS)],
    )
    return rows[0] as Figures
  }
  /** Of a file. */
  async function written(from: string): Promise<Figures> {
    const [row] = await duck(
      `SELECT count(*)::integer AS rows, count(temperature)::integer AS temperatures, sum(round(temperature * 1000000)::hugeint)::text AS sum,
         sum(epoch_us(ts))::text AS times, min(epoch_us(ts))::text AS first FROM ${from}`,
    )
    return row as unknown as Figures
  }
  const csv = (path: string): string => `read_csv('${path}', header = true, types = {ts: 'TIMESTAMPTZ', temperature: 'DOUBLE'})`
  /** Rows that are there more than once. */
  const repeats = async (from: string): Promise<unknown> =>
    (await duck(`SELECT count(*) - count(DISTINCT (record_partition, record_offset, ts)) AS n FROM ${from}`))[0]?.n

  it('gives of one device and day what table readings has, in Parquet and CSV, in little memory and without a consumer group', async () => {
    const expected = await stored()
    expect(expected.temperatures).to.equal((RECORDS * SAMPLES * 9) / 10)
    const before = await groups()
    for (const [format, read] of [
      ['parquet', (path: string) => `'${path}'`],
      ['csv', csv],
    ] as const) {
      const path = join(folder, `day.${format}`)
      const { code, said, peakBytes } = await replay(['--topic', 'readings', '--device', device, ...DAY, '--format', format, '--out', path])
      expect([code, said], said).to.deep.equal([0, said])
      expect(said).to.include(`${(RECORDS * SAMPLES).toLocaleString('en')} rows of ${RECORDS} records written to ${path}; `)
      expect(await written(read(path))).to.deep.equal(expected)
      expect(await repeats(read(path))).to.equal('0')
      const [types] = await duck(
        `SELECT min(typeof(ts)) AS ts, min(typeof(temperature)) AS temperature, count(humidity)::integer AS humidity FROM ${read(path)}`,
      )
      expect(types).to.deep.equal({ ts: 'TIMESTAMP WITH TIME ZONE', temperature: 'DOUBLE', humidity: 0 })
      expect(peakBytes).to.be.lessThan(200 * 1024 * 1024)
    }
    expect(await groups()).to.deep.equal(before)
  })

  it('takes only what is of an account, a site and a condition, and tells event time from receipt', async () => {
    const rows = async (...args: readonly string[]): Promise<number> => {
      const { code, out, said } = await replay(['--topic', 'readings', ...args, '--format', 'ndjson'])
      expect(code, said).to.equal(0)
      return out.split('\n').length - 1
    }
    const hot = await telemetry.query(
      'SELECT count(*)::integer AS n FROM readings WHERE device_id = $1 AND ts >= $2 AND ts < $3 AND temperature > 99',
      [device, iso(DAY_MICROS), iso(DAY_MICROS + 24 * HOUR_MICROS)],
    )
    // By device too: what other tests left there may be garbage, which is counted and ends with 1.
    const ours = ['--device', device, '--device', `${run}-other`]
    expect(
      await rows(...ours, '--account', run, '--site', 'orchard', ...DAY, '--where', `temperature > 99 && device_id == "${device}"`),
    ).to.equal(hot.rows[0].n)
    expect(await rows('--device', `${run}-other`, ...DAY)).to.equal(100)
    expect(await rows('--device', `${run}-other`, ...DAY, '--by', 'receipt')).to.equal(0)
    expect(await rows('--device', `${run}-other`, '--by', 'receipt', '--from', '1h')).to.equal(100)
  })

  it('goes on after a kill in the middle: each row is there once', async () => {
    for (const format of ['parquet', 'csv'] as const) {
      const path = join(folder, `killed.${format}`)
      const read = format === 'csv' ? csv(path) : `'${path}'`
      const args = ['--topic', 'readings', '--device', device, ...DAY, '--format', format, '--out', path]
      const killed = await replay([...args, '--speed', '7200'], async (child) => {
        await until('a place is kept', async () => (await kept(path)) > 0, 60_000)
        child.kill('SIGKILL')
      })
      expect(killed.code).to.equal(null)
      expect((await replay(args)).said).to.include('file already exists')
      expect((await replay([...args, '--resume', '--where', 'temperature > 1'])).said).to.include('give it the same options')
      const { code, said } = await replay([...args, '--resume'])
      expect(code, said).to.equal(0)
      expect(await written(read)).to.deep.equal(await stored())
      expect(await repeats(read)).to.equal('0')
      expect((await replay([...args, '--resume'])).said).to.include(`there is no ${path}.resume`)
    }
  })

  it('ends with a valid file on Ctrl-C, and goes on from there', async () => {
    const path = join(folder, 'cut.parquet')
    const args = ['--topic', 'readings', '--device', device, ...DAY, '--format', 'parquet', '--out', path]
    const cut = await replay([...args, '--speed', '7200'], async (child) => {
      await until('something is written', async () => (await stat(path).catch(() => ({ size: 0 }))).size > 4, 60_000)
      child.kill('SIGINT')
    })
    expect(cut.code).to.equal(1)
    expect(cut.said).to.include('interrupted: the rest is missing; --resume goes on with it')
    // On a busy machine lines of progress come before.
    const [, last] = [...cut.said.matchAll(/^([\d,]+) rows of/gm)].at(-1) ?? []
    const rows = Number(last?.replaceAll(',', ''))
    expect(rows).to.be.within(1, RECORDS * SAMPLES - 1)
    expect((await written(`'${path}'`)).rows).to.equal(rows)
    expect((await replay([...args, '--resume'])).code).to.equal(0)
    expect(await written(`'${path}'`)).to.deep.equal(await stored())
    expect(await repeats(`'${path}'`)).to.equal('0')
  })

  /** Records of which an interrupted run has kept that they are done. */
  async function kept(path: string): Promise<number> {
    const text = await readFile(`${path}.resume`, 'utf8').catch(() => '{}')
    return (JSON.parse(text) as { counts?: { rows: number } }).counts?.rows ?? 0
  }

  it('says how many records Kafka lost while they were to be read, and exits with 1', async () => {
    const topic = `${run}.events` as Topic
    await using admin = openAdmin(kafka)
    await ensureTopics(admin, [{ topic, partitions: 1, replicationFactor: 1, minInsyncReplicas: 1, config: {} }])
    await using producer = await createProducer({
      kafka,
      partitions: new Map([[topic, 1]]),
      log: quiet,
      signal: new AbortController().signal,
      counters: { bytes: 0, retries: 0 },
    })
    const now = Date.now()
    const count = 400
    await producer.send(
      Array.from({ length: count }, (_, n) => ({
        topic,
        key: Buffer.from('=k,"\n<b>'),
        value: Buffer.from(JSON.stringify({ n })),
        timestampMs: now - 120_000 + n * 100,
      })),
    )
    const path = join(folder, 'events.csv')
    const args = ['--topic', topic, '--from', '1h', '--format', 'csv', '--out', path]
    await replay([...args, '--speed', '5'], async (child) => {
      await until('a place is kept', async () => (await kept(path)) > 0, 60_000)
      child.kill('SIGKILL')
    })
    const { partitions } = JSON.parse(await readFile(`${path}.resume`, 'utf8')) as { partitions: { next: string }[] }
    const next = Number(partitions[0]?.next)
    expect(next).to.be.within(1, count - 50)
    await (await admin[KAFKAJS]()).deleteTopicRecords({ topic, partitions: [{ partition: 0, offset: String(next + 30) }] })
    const { code, said } = await replay([...args, '--resume'])
    expect(code, said).to.equal(1)
    expect(said).to.include(
      `${count - 30} rows of ${count - 30} records written to ${path}; ${count - 30} records read; 30 were lost by Kafka before they were read`,
    )
    const [found] = await duck(
      `SELECT count(*)::integer AS rows, min(key) AS key, count(DISTINCT record_offset)::integer AS offsets, max(typeof(record_time)) AS type FROM read_csv('${path}', header = true)`,
    )
    expect(found).to.deep.equal({ rows: count - 30, key: '=k,"\n<b>', offsets: count - 30, type: 'TIMESTAMP WITH TIME ZONE' })
  })

  it('copies whole records into another topic, each once after a kill, with their times and where they were', async () => {
    const into = `${run}.copy`
    const args = ['--topic', 'readings', '--device', device, ...DAY, '--into', into]
    const killed = await replay(
      [...args, '--speed', '7200'],
      async (child) => {
        await until('a place is kept', async () => (await kept(join(folder, `replay-into-${into}`))) > 0, 60_000)
        child.kill('SIGKILL')
      },
      folder,
    )
    expect(killed.code).to.equal(null)
    const { code, said } = await replay([...args, '--resume'], undefined, folder)
    expect(code, said).to.equal(0)
    expect(said).to.include(`rows of ${RECORDS} records written to ${into}; `)
    const copies = await replay(['--topic', into, '--by', 'receipt', '--from', '3h', '--format', 'ndjson'])
    const originals = await replay(['--topic', 'readings', '--device', device, ...DAY, '--format', 'ndjson'])
    const timesOf = ({ out }: Ran): readonly string[] =>
      out
        .trim()
        .split('\n')
        .map((line) => (JSON.parse(line) as { record_time: string }).record_time)
    const values = copies.out
      .trim()
      .split('\n')
      .map((line) => (JSON.parse(line) as { value: string }).value)
    expect([values.length, new Set(values).size]).to.deep.equal([RECORDS, RECORDS])
    expect([...new Set(timesOf(copies))].sort()).to.deep.equal([...new Set(timesOf(originals))].sort())
    expect((await replay(['--topic', 'readings', '--from', '1h', '--into', 'telemetry.readings', '--live'])).said).to.include(
      'would replay itself',
    )
    for (const live of ['telemetry.frames', 'telemetry.raw', 'store.dead', 'millrace.clock'])
      expect((await replay(['--topic', 'readings', '--from', '1h', '--into', live])).said).to.include(`services read ${live}`)
  })

  it('writes rows into a table that it makes, each once after a kill', async () => {
    const table = `${run}_day`
    const args = ['--topic', 'readings', '--device', device, ...DAY, '--into', `table:${table}`]
    const killed = await replay(
      [...args, '--speed', '7200'],
      async (child) => {
        await until('a place is kept', async () => (await kept(join(folder, `replay-into-${table}`))) > 0, 60_000)
        child.kill('SIGKILL')
      },
      folder,
    )
    expect(killed.code).to.equal(null)
    expect((await replay(args, undefined, folder)).said).to.include(`there is a table ${table} already`)
    const { code, said } = await replay([...args, '--resume'], undefined, folder)
    expect(code, said).to.equal(0)
    expect(said).to.include(`${(RECORDS * SAMPLES).toLocaleString('en')} rows of ${RECORDS} records written to table:${table}; `)
    expect(await stored(table)).to.deep.equal(await stored())
    const { rows } = await telemetry.query(
      `SELECT count(*) FILTER (WHERE record_row = 0)::integer AS records, max(col_description('${table}'::regclass, attnum)) AS comment
       FROM ${table}, pg_attribute WHERE attrelid = '${table}'::regclass AND attname = 'temperature'`,
    )
    expect(rows).to.deep.equal([{ records: RECORDS, comment: 'Unit: Cel' }])
    await telemetry.query(`DROP TABLE ${table}`)
    expect((await replay([...args, '--resume'], undefined, folder)).said).to.include(`there is no replay-into-${table}.resume`)
    expect((await replay(['--topic', 'readings', '--from', '1h', '--into', 'table:No-Name'])).said).to.include(
      'expected the name of a table',
    )
  })

  it('keeps the gaps that records had, and reads several partitions in the order of their receipt', async () => {
    const began = Date.now() - 20_000
    const keys = Array.from({ length: 12 }, (_, n) => `${run}-gap-${n}`)
    await produceRaw(keys.map((key, n) => ({ key, topic: 'x', payload: { n }, receivedMs: began + n * 300 })))
    const devices = keys.flatMap((key) => ['--device', key])
    const args = ['--topic', 'raw', ...devices, '--from', '1h', '--format', 'ndjson', '--speed', '2']
    const at: number[] = []
    const { out, code } = await replay(args, async (child) => {
      child.stdout?.on('data', (chunk: Buffer) => {
        for (const _ of String(chunk).match(/\n/g) ?? []) at.push(Date.now())
      })
    })
    const rows = out
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line) as { key: string; payload: string; retained: boolean })
    expect(code).to.equal(0)
    expect(rows.map(({ key }) => key)).to.deep.equal(keys)
    expect(rows[3]).to.deep.include({ payload: Buffer.from('{"n":3}').toString('base64'), retained: false })
    expect((at.at(-1) ?? 0) - (at[0] ?? 0)).to.be.within(1_400, 4_000)
  })

  it('reads frames as their device sent them, device statuses and dead letters', async () => {
    const sender = `${run}-sender`
    const registry = createRegistry(address('REGISTRY_URL'))
    const firmware = testFirmware(run)
    const id = await registry.register(firmware.subject, firmware.schema('0.01'))
    const statusId = await registry.register(valueSubject(topics.deviceStatus), JSON.stringify(deviceStatusSchema.json))
    const sentMs = Date.now()
    const born = { device_id: sender, state: 'ready', boot: 7, firmware: 'hive-1', received: sentMs * 1000 } as const
    await produce([
      frameRecord(sender, wire(id, firmware.datum(1, sentMs - 10_000, [2100, 2150]))),
      frameRecord(`${sender}-broken`, wire(id, Buffer.from([1, 2]))),
      {
        topic: topics.deviceStatus,
        key: Buffer.from(sender),
        value: wire(statusId, avroType(deviceStatusSchema.json).toBuffer(born)),
        timestampMs: sentMs,
      },
    ])
    await using standardise = await startService('run', 'standardise')
    expect(standardise.pid).to.be.greaterThan(0)
    const rows = async (topic: string, of: string): Promise<readonly Record<string, unknown>[]> => {
      const { code, out, said } = await replay(['--topic', topic, '--device', of, '--from', '1h', '--format', 'ndjson'])
      expect(code, said).to.equal(0)
      return out
        .split('\n')
        .filter((line) => line !== '')
        .map((line) => JSON.parse(line) as Record<string, unknown>)
    }
    const [frame] = await rows('frames', sender)
    expect(frame).to.deep.include({ device_id: sender, boot: 1, seq: 1, clock: 'SYNCED', samples: 2 })
    expect(new Date(String(frame?.ts)).getTime()).to.equal(sentMs - 10_000)
    expect((await rows('status', sender))[0]).to.deep.include({ device_id: sender, state: 'ready', firmware: 'hive-1' })
    let letters: readonly Record<string, unknown>[] = []
    const isThere = async (): Promise<boolean> => {
      letters = await rows('standardise.dead', `${sender}-broken`)
      return letters.length > 0
    }
    await until('there is a dead letter', isThere, 60_000)
    expect(letters[0]).to.include({ key: `${sender}-broken`, source_topic: topics.frames })
  })

  it('refuses what it cannot do before it reads anything, and says what was expected', async () => {
    const refused = async (...args: readonly string[]): Promise<string> => {
      const { code, said } = await replay(args)
      expect(code, said).to.equal(2)
      return said
    }
    const readings = ['--topic', 'readings', '--from', '1h']
    expect(await refused(...readings, '--where', 'temprature > 3'))
      .to.include('Unknown variable: temprature')
      .and.include('fields are device_id, ts')
    expect(await refused('--topic', 'readings', '--from', '2026-11-24T00:00Z', '--to', '2026-11-23T00:00Z')).to.include(
      'expected the first to be earlier',
    )
    expect(await refused('--topic', 'readings', '--from', '2026-11-24T00:00:00')).to.include('--from: expected a time with its zone')
    expect(await refused(...readings, '--account', `${run}-nobody`)).to.include(`there is no account "${run}-nobody"`)
    expect(await refused('--topic', 'raw', '--from', '1h', '--site', 'orchard')).to.include('only readings know whose they are')
    expect(await refused('--topic', 'reading', '--from', '1h')).to.include('there is no topic "reading"')
    expect(await refused(...readings, '--format', 'parquet')).to.include('--format parquet: expected --out')
    expect(await refused(...readings, '--resume')).to.include('--resume: expected --out')
    expect(await refused(...readings, '--live')).to.include('--live: expected --into')
    expect(await refused(...readings, '--speed', '0')).to.include('--speed: expected max, or a number above 0')
  })
})
