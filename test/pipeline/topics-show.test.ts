import { spawnSync } from 'node:child_process'
import { setTimeout as delay } from 'node:timers/promises'
import { expect } from 'chai'
import type { OutgoingRecord } from '../../processors/contract.ts'
import { topics } from '../../processors/topics.ts'
import { projectRoot } from '../../schemas/files.ts'
import { produce, wire } from './frames.ts'
import { produceRaw } from './raw-messages.ts'
import { millrace } from './service.ts'

/** Of this run: the stack keeps records of earlier ones. */
const run = `s${Date.now().toString(36)}`
const device = `${run}-hive`
const NOW = Date.now()

describe('millrace topics show', () => {
  const show = async (topic: string, ...args: readonly string[]): Promise<readonly Readonly<Record<string, unknown>>[]> =>
    (await millrace('topics', 'show', topic, ...args))
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line) as Readonly<Record<string, unknown>>)
  const record = (value: Buffer | null, timestampMs: number): OutgoingRecord => ({
    topic: topics.raw,
    key: Buffer.from(device),
    value: value as Buffer,
    timestampMs,
  })

  before(async () => {
    await millrace('migrate')
    await millrace('schemas', 'register')
    await produceRaw([{ key: device, topic: `${run}/a`, payload: { t: 1 }, receivedMs: NOW - 50_000 }])
    await produce([
      record(Buffer.from('{"celsius": 21.5}'), NOW - 40_000),
      record(Buffer.from('no JSON'), NOW - 30_000),
      record(wire(2_000_000_000, Buffer.from([2])), NOW - 20_000),
      { ...record(Buffer.from('{}'), NOW - 10_000), key: Buffer.from(`${run}-other`) },
    ])
  })

  it('decodes Avro by its schema and JSON as it is, and shows the bytes of anything else, in order of receipt', async () => {
    const found = await show(topics.raw, '--device', device)
    expect(found.map(({ received }) => Date.parse(String(received)))).to.deep.equal([50, 40, 30, 20].map((s) => NOW - s * 1000))
    expect(found.map(({ key }) => key)).to.deep.equal([device, device, device, device])
    const [raw, json, text, unknown] = found
    expect(raw?.value).to.deep.include({ topic: `${run}/a`, payload: Buffer.from('{"t":1}').toString('base64') })
    expect(json?.value).to.deep.equal({ celsius: 21.5 })
    expect(text).to.deep.include({ bytes: Buffer.from('no JSON').toString('base64'), problem: 'neither Avro nor JSON' })
    expect(unknown).to.deep.include({ problem: 'the registry has no Avro schema 2000000000' })
  })

  it('shows the newest if there are too many, and nothing that was received earlier than asked for', async () => {
    expect((await show(topics.raw, '--device', device, '--most', '2')).map(({ problem }) => problem)).to.deep.equal([
      'neither Avro nor JSON',
      'the registry has no Avro schema 2000000000',
    ])
    const from = new Date(NOW - 20_000).toISOString()
    expect(await show(topics.raw, '--device', device, '--from', from)).to.have.length(1)
    expect(await show(topics.raw, '--most', '1', '--from', '1h')).to.have.length(1)
  })

  it('waits for the first record if there is none', async () => {
    const late = `${run}-late`
    const waiting = show(topics.raw, '--device', late, '--wait', '30')
    await delay(2_000)
    await produceRaw([{ key: late, topic: `${run}/late`, payload: {} }])
    expect((await waiting)[0]?.value).to.include({ topic: `${run}/late` })
  })

  it('says if there is none, or no such topic', () => {
    const refused = (...args: readonly string[]): readonly [number | null, string] => {
      const { status, stderr } = spawnSync(process.execPath, [`${projectRoot}dist/bin/millrace.js`, 'topics', 'show', ...args], {
        encoding: 'utf8',
      })
      return [status, stderr]
    }
    const [none, said] = refused(topics.raw, '--device', `${run}-nobody`)
    expect([none, said.includes(`no record of ${run}-nobody in ${topics.raw} since `)]).to.deep.equal([1, true])
    const [wrong, why] = refused(`${run}.alerts`)
    expect(wrong).to.equal(2)
    expect(why).to.include(`there is no topic "${run}.alerts": \`millrace migrate\` creates`).and.include(topics.readings)
  })
})
