import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import avro from 'avsc'
import { expect } from 'chai'
import { anchorBoots } from '../../connectors/postgres/boot-anchors.ts'
import { createDatabase } from '../../connectors/postgres/database.ts'
import { provisionDevices } from '../../connectors/postgres/devices.ts'
import { migrateApp } from '../../connectors/postgres/migrate.ts'
import { readMigrations } from '../../connectors/postgres/migrations.ts'
import type { DeviceId } from '../../processors/contract.ts'
import { projectRoot, readSchema } from '../../schemas/files.ts'
import { hiveFingerprint } from '../pipeline/hive-frames.ts'
import { scratchDatabase } from '../pipeline/scratch-database.ts'
import { launchConfigured, startService, until } from '../pipeline/service.ts'
import { closing } from './closing.ts'
import { messagesOf, provision, sendMessages } from './messages.ts'
import { type Outcomes, openOutcomes } from './outcomes.ts'

const run = `t03-${Date.now().toString(36)}`
const hive = avro.Type.forSchema(readSchema('firmware/hive-1').json as avro.Schema)

/** A frame of a device without time of day: temperatures in whole degrees, a second apart. */
function uptimeFrame(boot: number, seq: number, uptimeMs: number, temperatures: readonly number[]): Buffer {
  const raw = temperatures.map((degrees) => degrees * 100)
  const datum = hive.toBuffer({
    boot,
    seq,
    clock: 'UPTIME',
    base: uptimeMs,
    dropped: 0,
    dt: raw.map((_, index) => (index === 0 ? 0 : 1000)),
    temperature: raw.map((value, index) => value - (raw[index - 1] ?? 0)),
    humidity: [],
  })
  return Buffer.concat([Buffer.from([0xc3, 1]), hiveFingerprint, datum])
}

describe('readings without time of day', () => {
  const { use } = closing()
  let outcomes: Outcomes

  const device = (name: string): string => `${run}-${name}`
  const topic = (name: string): string => `devices/${device(name)}/telemetry`

  before(async () => {
    await provision(...['queued', 'uptime', 'resent', 'dev-a'].map(device))
    outcomes = await use(openOutcomes())
  })

  it('are all rows if they were queued while the bridge was away', async () => {
    const settings = `bridge: { client_id: ${run} }\n`
    // So that the broker has a session in which to queue.
    const first = await launchConfigured(settings, 'bridge')
    await first.ready()
    await until('it is subscribed', async () => Object.keys((await first.health()) ?? { no: 'answer' }).length === 0)
    await first[Symbol.asyncDispose]()
    await sendMessages(Array.from({ length: 60 }, (_, index) => ({ topic: topic('queued'), payload: `{"temperature": ${index}}` })))
    // Ten seconds of uptime each; the first came into being long before the last.
    const frames = Array.from({ length: 60 }, (_, seq) =>
      uptimeFrame(
        5,
        seq,
        seq * 10_000,
        Array.from({ length: 10 }, (_unused, index) => ((seq * 10 + index) % 100) + 1),
      ),
    )
    await sendMessages(frames.map((payload) => ({ topic: topic('uptime'), payload })))
    await use(launchConfigured(settings, 'bridge'))
    for (const service of [['run', 'standardise'], ['run', 'translate'], ['store']]) await use(startService(...service))
    await until(
      'all are rows',
      async () => (await outcomes.rows(device('queued'))) === 60 && (await outcomes.rows(device('uptime'))) === 600,
    )
    const queued = await outcomes.readings(device('queued'))
    expect(queued.every(({ estimated }) => estimated)).to.equal(true)
    expect(queued.map(({ values }) => values.temperature)).to.deep.equal(Array.from({ length: 60 }, (_, index) => index))
    const uptime = await outcomes.readings(device('uptime'))
    expect(uptime.every(({ estimated }) => estimated)).to.equal(true)
    // A burst keeps its spacing.
    expect(new Set(uptime.slice(1).map(({ tsMicros }, index) => tsMicros - (uptime[index]?.tsMicros ?? 0)))).to.deep.equal(
      new Set([1_000_000]),
    )
  })

  it('are rows with times that differ if they come in one array', async () => {
    const lines = readFileSync(`${projectRoot}test/adversary/cases/01a-array-without-ts.ndjson`, 'utf8')
    await sendMessages(messagesOf(lines.replaceAll('"devices/', `"devices/${run}-`)))
    await until('three rows', async () => (await outcomes.rows(device('dev-a'))) === 3)
    const readings = await outcomes.readings(device('dev-a'))
    expect(readings.map(({ estimated, values }) => [estimated, values.temperature])).to.deep.equal([
      [true, 20.5],
      [true, 21.5],
      [true, 22.5],
    ])
  })

  it('are repeats if a frame is sent again, by whatever instance it is handled', async () => {
    const frame = (seq: number): Buffer => uptimeFrame(7, seq, 60_000 + seq * 2000, [seq + 1, seq + 2])
    await sendMessages([{ topic: topic('resent'), payload: frame(0) }])
    await until('two rows', async () => (await outcomes.rows(device('resent'))) === 2)
    const before = await outcomes.readings(device('resent'))
    // Another instance: it has nothing in memory, and takes its part of the partitions.
    await use(startService('run', 'standardise'))
    await sendMessages([0, 0, 1, 0].map((seq) => ({ topic: topic('resent'), payload: frame(seq) })))
    await until('four rows', async () => (await outcomes.rows(device('resent'))) >= 4)
    const after = await outcomes.readings(device('resent'))
    expect(after).to.have.length(4)
    expect(after.slice(0, 2)).to.deep.equal(before)
    expect((after[2]?.tsMicros ?? 0) - (before[0]?.tsMicros ?? 0)).to.equal(2_000_000)
    expect(await outcomes.reasons(device('resent'))).to.deep.equal([])
  })

  it('have one beginning of their boot, whoever writes it down first, and no device fills the table', async () => {
    await using scratch = await scratchDatabase('APP_DATABASE_URL')
    await migrateApp({ url: scratch.url, migrations: await readMigrations(join(projectRoot, 'db/app')) })
    await using database = createDatabase({ url: scratch.url, applicationName: 'test' })
    await using other = createDatabase({ url: scratch.url, applicationName: 'test' })
    await provisionDevices(database, { account: 'bees', site: null, devices: ['a' as DeviceId, 'b' as DeviceId], from: null })
    const most = 100
    const boots = (name: string, count: number, beganMicros: number) =>
      Array.from({ length: count }, (_, boot) => ({ device: name, boot, beganMicros }))
    const [some, others] = await Promise.all([
      database.use((session) => anchorBoots(session, boots('a', 50, 1), most)),
      other.use((session) => anchorBoots(session, boots('a', 50, 2), most)),
    ])
    expect(some).to.have.length(50)
    expect([...others].sort((x, y) => x.boot - y.boot)).to.deep.equal([...some].sort((x, y) => x.boot - y.boot))
    // A device that counts without end gets what there is room for; a stranger gets nothing; the
    // others are as before.
    const flood = await database.use((session) =>
      anchorBoots(session, [...boots('a', 10_000, 3), ...boots('b', 10, -4), ...boots('nobody', 10, 5)], most),
    )
    const count = (name: string): number => flood.filter(({ device: each }) => each === name).length
    expect([count('a'), count('b'), count('nobody')]).to.deep.equal([100, 10, 0])
    expect(flood.filter(({ device: each, boot }) => each === 'a' && boot < 50)).to.have.deep.members(some)
    // A month later there is room again.
    await scratch.query("UPDATE boot_anchor SET anchored_at = now() - interval '31 days' WHERE device_id = 'a' AND boot < 60")
    const later = await database.use((session) => anchorBoots(session, [{ device: 'a', boot: 5_000, beganMicros: 6 }], most))
    expect(later).to.deep.equal([{ device: 'a', boot: 5_000, anchorMicros: 6 }])
    expect(await scratch.query("SELECT count(*) FROM boot_anchor WHERE device_id = 'a'")).to.deep.equal([{ count: 41n }])
  })
})
