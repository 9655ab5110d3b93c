import { spawn } from 'node:child_process'
import { expect } from 'chai'
import type pg from 'pg'
import { openAdmin } from '../../connectors/kafka/client.ts'
import { commitForStopped } from '../../connectors/kafka/stopped-group.ts'
import { endOffset } from '../../connectors/kafka/topics.ts'
import type { ConsumerName } from '../../processors/contract.ts'
import { topics } from '../../processors/topics.ts'
import { projectRoot } from '../../schemas/files.ts'
import { produceRaw } from './raw-messages.ts'
import { millrace, type RunningService, startService, until } from './service.ts'
import { address, testDatabase, testKafka } from './stack-clients.ts'

/** Of this run: the stack keeps records of earlier ones. */
const run = `rw${Date.now().toString(36)}`
const device = `${run}-hive`
const COUNT = 40

describe('millrace rewind', () => {
  let telemetry: pg.Client
  let app: pg.Client
  const services = new Map<string, RunningService>()
  const kafka = testKafka()
  let began: string

  interface Ran {
    readonly code: number | null
    readonly out: string
    readonly said: string
  }
  async function rewind(...args: readonly string[]): Promise<Ran> {
    const child = spawn(process.execPath, [`${projectRoot}dist/bin/millrace.js`, 'rewind', ...args], { stdio: ['ignore', 'pipe', 'pipe'] })
    let [out, said] = ['', '']
    child.stdout.on('data', (chunk: Buffer) => (out += String(chunk)))
    child.stderr.on('data', (chunk: Buffer) => (said += String(chunk)))
    return { code: await new Promise((resolve) => child.once('close', resolve)), out, said }
  }
  const stop = async (name: string): Promise<void> => {
    await services.get(name)?.[Symbol.asyncDispose]()
    services.delete(name)
  }
  const start = async (name: string, ...args: readonly string[]): Promise<void> => {
    services.set(name, await startService(...args))
  }
  const rows = async (): Promise<number> =>
    Number((await telemetry.query('SELECT count(*) FROM readings WHERE device_id = $1', [device])).rows[0].count)
  const ended = async (): Promise<bigint> => {
    await using admin = openAdmin(kafka)
    return await endOffset(admin, topics.readings)
  }
  const audit = async (consumer: string): Promise<readonly Record<string, unknown>[]> =>
    (
      await app.query('SELECT asked, started_by, ending, positions FROM rewind_run WHERE consumer = $1 AND started_at >= $2 ORDER BY id', [
        consumer,
        began,
      ])
    ).rows

  before(async () => {
    await millrace('migrate')
    await millrace('schemas', 'register')
    telemetry = testDatabase(address('TELEMETRY_DATABASE_URL'))
    app = testDatabase(address('APP_DATABASE_URL'))
    await telemetry.connect()
    await app.connect()
    await millrace('devices', 'add', '--account', run, device)
    began = new Date().toISOString()
    await start('translate', 'run', 'translate')
    await start('store', 'store')
    await produceRaw(
      Array.from({ length: COUNT }, (_, index) => ({
        key: device,
        topic: `devices/${device}/telemetry`,
        payload: { ts: Date.now() - 60_000 + index, temperature: index },
      })),
    )
    await until('all rows are there', async () => (await rows()) === COUNT)
  })

  after(async () => {
    for (const name of services.keys()) await stop(name)
    await telemetry.end()
    await app.end()
  })

  it('refuses while a member is in the group, says who, and moves nothing; a dry run says it as well', async () => {
    for (const name of ['store', 'translate']) {
      const dry = await rewind(name, '--to', began, '--dry-run')
      expect(dry.code).to.equal(0)
      expect(dry.out)
        .to.contain(`${name} runs: it must be stopped first (1 members of its group)`)
        .and.contain('dry run: nothing was moved')
      const { code, said } = await rewind(name, '--to', began)
      expect([code, said.includes(`${name} runs: 1 members of its group (`)]).to.deep.equal([1, true])
      expect(await audit(name)).to.deep.equal([])
    }
  })

  it('makes a store read again from a time: rows that were deleted come back, the others are repeats', async () => {
    await stop('store')
    await telemetry.query('DELETE FROM readings WHERE device_id = $1 AND temperature < 10', [device])
    expect(await rows()).to.equal(COUNT - 10)
    const dry = await rewind('store', '--to', began, '--dry-run')
    const records = /^at most ([\d,]+) records will be read again by store:$/m.exec(dry.out)?.[1]
    expect(Number(records)).to.be.within(COUNT, COUNT + 5)
    expect(await audit('store')).to.deep.equal([])
    const { code, out } = await rewind('store', '--to', began)
    expect([code, out.includes(`at most ${records} records`), out.includes('roll-ups count them again')]).to.deep.equal([0, true, true])
    const [noted] = await audit('store')
    expect(noted).to.deep.include({ asked: began, ending: 'moved' })
    expect(String(noted?.started_by)).to.match(/.@./)
    const positions = noted?.positions as { topic: string; from: string; to: string }[]
    expect(positions.every(({ topic }) => topic === topics.readings)).to.equal(true)
    expect(positions.reduce((sum, { from, to }) => sum + Number(from) - Number(to), 0)).to.equal(Number(records))
    await start('store', 'store')
    await until('the rows are back', async () => (await rows()) === COUNT)
    await stop('store')
  })

  it('makes a processor read again from a time: its outputs are written again', async () => {
    await stop('translate')
    const before = await ended()
    const { code, out } = await rewind('translate', '--to', began)
    expect([code, out.includes(`Its outputs are written again, to ${topics.readings}`)]).to.deep.equal([0, true])
    expect(await audit('translate')).to.have.length(1)
    await start('translate', 'run', 'translate')
    await until('its readings are there twice', async () => (await ended()) >= before + BigInt(COUNT))
    await stop('translate')
  })

  it('moves one partition to an offset, never forward, and says what it cannot do', async () => {
    const { rows: found } = await telemetry.query(
      "SELECT partition, next_offset AS position FROM consumer_offset WHERE consumer = 'store' AND topic = $1 AND next_offset > 1 LIMIT 1",
      [topics.readings],
    )
    const { partition, position } = found[0] as { partition: number; position: string }
    const one = ['store', '--partition', String(partition)]
    expect((await rewind(...one, '--to', String(Number(position) - 1))).code).to.equal(0)
    const moved = await telemetry.query(
      "SELECT next_offset AS position, leader_epoch FROM consumer_offset WHERE consumer = 'store' AND partition = $1",
      [partition],
    )
    expect(moved.rows).to.deep.equal([{ position: String(Number(position) - 1), leader_epoch: -1 }])
    const ahead = await rewind(...one, '--to', position)
    expect([
      ahead.code,
      ahead.out.includes(`it is at ${Number(position) - 1}, before ${position}`),
      ahead.out.includes('nothing is to be moved'),
    ]).to.deep.equal([1, true, true])
    expect(await rewind(...one, '--to', '999999999')).to.deep.include({ code: 2 })
    expect((await rewind('store', '--to', '5')).said).to.contain('expected --partition as well')
    expect((await rewind('store', '--to', '2026-11-23T04:00:00')).said).to.contain('expected a time with its zone')
    expect((await rewind('bridge', '--to', '1h')).said).to.contain('bridge reads no topic')
    expect((await rewind('store', '--partition', '99999', '--to', '1h')).said).to.contain('there is no 99999')
    await start('store', 'store')
    await until('it goes on from there', async () => {
      const now = await telemetry.query("SELECT next_offset AS position FROM consumer_offset WHERE consumer = 'store' AND partition = $1", [
        partition,
      ])
      return BigInt(now.rows[0].position) >= BigInt(position)
    })
  })

  it('cannot commit for a group that somebody has joined: Kafka itself refuses', async () => {
    const commit = commitForStopped(
      kafka,
      'store' as ConsumerName,
      [{ topic: topics.readings, partition: 0, nextOffset: 0n, leaderEpoch: -1 }],
      new Map([[topics.readings, { id: '0'.repeat(32), partitions: 1 }]]),
    )
    const failure = await commit.then(
      () => undefined,
      (cause: { readonly code?: string }) => cause.code,
    )
    expect(failure).to.equal('KAFKA_UNKNOWN_MEMBER_ID')
  })
})
