import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { expect } from 'chai'
import type pg from 'pg'
import { sendFile } from '../../bin/demo/file.ts'
import { type PrepareOptions, prepareFile } from '../../bin/demo/prepared-file.ts'
import { openPublisher } from '../../connectors/mqtt/publisher.ts'
import { loadConfig } from '../../services/config.ts'
import { launchConfigured, millrace, type RunningService } from './service.ts'
import { address, testBroker, testDatabase, testPublisher } from './stack-clients.ts'

const run = `f${Date.now().toString(36)}`
const plain: PrepareOptions = {
  map: [],
  device: undefined,
  zone: undefined,
  timeFormat: undefined,
  separator: undefined,
  decimal: undefined,
  missing: [],
  fromLine: undefined,
  header: true,
  skip: false,
  round: false,
  oldestYears: 10,
}

describe('a file of somebody, through the line', function () {
  this.timeout(180_000)
  const services: RunningService[] = []
  let directory: string
  let database: pg.Client

  before(async () => {
    directory = mkdtempSync(join(tmpdir(), 'millrace-file-'))
    await millrace('migrate')
    await millrace('schemas', 'register')
    database = testDatabase(address('TELEMETRY_DATABASE_URL'))
    await database.connect()
    for (const args of [['bridge'], ['run', 'standardise'], ['run', 'translate'], ['run', 'devices'], ['run', 'continuity'], ['store']])
      services.push(await launchConfigured('time: { oldest_years: 40 }', ...args))
    await Promise.all(services.map((service) => service.ready()))
  })

  after(async () => {
    for (const service of services) await service[Symbol.asyncDispose]()
    await database?.end()
    rmSync(directory, { recursive: true })
  })

  const send = async (text: string, options: Partial<PrepareOptions>): Promise<{ code: number; said: string }> => {
    const path = join(directory, 'file.csv')
    writeFileSync(path, text)
    const file = await prepareFile(path, directory, { ...plain, ...options })
    const said: string[] = []
    const signal = new AbortController().signal
    const { code, lastWords } = await sendFile({
      file,
      config: loadConfig(process.env, undefined),
      local: directory,
      signal,
      say: (line) => said.push(line),
    })
    return { code, said: [...said, ...lastWords].join('\n') }
  }

  it('keeps all its decimals, counts what the line refuses, and ends', async () => {
    const device = `${run}-eight`
    const lines = Array.from({ length: 2_000 }, (_, line) => {
      const time = new Date(Date.UTC(2021, 5, 1) + line * 86_400_000 * 0.7).toISOString().slice(0, 19).replace('T', ' ')
      return `${time};${(20 + Math.sin(line)).toFixed(8).replace('.', ',')};ok`
    })
    // Out of range, a line that was sent before, and another value for a time that has one.
    lines.push('2021-05-01 00:00:00;250,5;hot', lines[0] as string, '2021-06-01 00:00:00;21,5;late')
    const { code, said } = await send(`When;T;note\n${lines.join('\n')}\n`, { map: ['time=When,temperature=T'], device, zone: 'UTC' })
    expect(said)
      .to.contain('sent as JSON, with all decimals: no firmware holds all of it')
      .and.to.contain('nothing is taken from note')
      .and.to.match(/dead letters: \w+ out-of-range, 1/)
      .and.to.contain('2,003 sent, 2,000 rows, 1 repeats, 1 in conflict, 1 dead letters, 0 missing')
    expect(code).to.equal(0)
    const { rows } = await database.query('SELECT temperature FROM readings WHERE device_id = $1 ORDER BY ts OFFSET 1 LIMIT 1', [device])
    expect(rows[0]?.temperature).to.equal(20.84147098)
  })

  it('goes as frames if a firmware holds it, and only what can be read if the user says so', async () => {
    const device = `${run}-two`
    const { code, said } = await send(
      `Date,Time,T,H\n11/01/2026,10:00,68,55\n11/01/2026,10:05,never,55\n11/13/2026,10:10,50,\n11/13/2026,10:15,,\n`,
      { map: ['time=Date+Time,temperature=T[degF],humidity=H'], device, zone: 'Europe/Vienna', skip: true },
    )
    expect(said)
      .to.contain('sent as firmware hive-1')
      .and.to.contain('rejected: 1 line with a value that is no number')
      .and.to.contain('line 3, column 3 (T, temperature): expected a number, got "never"')
      .and.to.contain('not sent: 1 line without any value')
      .and.to.contain('2 sent, 2 rows, 0 repeats, 0 dead letters, 0 missing')
    expect(code).to.equal(0)
    const { rows } = await database.query('SELECT ts, temperature, humidity FROM readings WHERE device_id = $1 ORDER BY ts', [device])
    expect(rows).to.deep.equal([
      { ts: new Date('2026-11-01T09:00:00Z'), temperature: 20, humidity: 55 },
      { ts: new Date('2026-11-13T09:10:00Z'), temperature: 10, humidity: null },
    ])
  })

  it('is taken though its times are older than ten years, if the configuration says so', async () => {
    const device = `${run}-old`
    const text = 'time,device,temperature\n1999-12-31 23:59:59+00:00,DEVICE,20.5\n'.replace('DEVICE', device)
    const refusal = await send(text, {}).then(
      ({ said }) => said,
      (cause: unknown) => String(cause),
    )
    expect(refusal).to.contain('expected a time of the last 10 years (time.oldest_years in millrace.yaml)')
    const { code, said } = await send(text, { oldestYears: 40 })
    expect(said).to.contain('1 sent, 1 rows, 0 repeats, 0 dead letters, 0 missing')
    expect(code).to.equal(0)
  })

  it('waits while nobody subscribes, and counts that', async () => {
    const { url, tls, user } = testBroker()
    const topic = `devices/${run}/nobody`
    await using publisher = openPublisher({ url, ...(tls === undefined ? {} : { tls }), ...user }, `${run}-publisher`)
    let done = false
    const published = publisher.publish(topic, Buffer.from('1')).then(() => {
      done = true
    })
    await delay(1_500)
    expect(done).to.equal(false)
    expect(publisher.refused).to.be.at.least(1)
    const subscriber = await testPublisher({ clientId: `${run}-subscriber` })
    try {
      await subscriber.subscribeAsync(topic, { qos: 1 })
      await published
    } finally {
      await subscriber.endAsync(true)
    }
  })
})
