import { mkdtempSync, readdirSync, rmSync } from 'node:fs'
import { availableParallelism, tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect } from 'chai'
import { runMillrace } from '../adversary/command.ts'
import { millrace } from './service.ts'

interface Told {
  readonly faults: number
  readonly findings: readonly { readonly rule: string; readonly area: string; readonly severity: string; readonly found: string }[]
  readonly unseen: readonly string[]
  readonly topology: { readonly nodes: readonly { readonly cpus: readonly number[] }[] }
}

describe('millrace doctor on this machine', () => {
  const folder = mkdtempSync(join(tmpdir(), 'millrace-doctor-'))

  before(() => millrace('migrate'))

  after(() => rmSync(folder, { recursive: true }))

  it('sees the machine and every server, measures the disk of the WAL and leaves nothing there', async () => {
    const { code, output, error } = await runMillrace(['doctor', '--json', '--measure', '1s'])
    const told = JSON.parse(output) as Told
    expect(error).to.equal('')
    expect(code).to.equal(told.faults > 0 ? 1 : 0)
    expect(new Set(told.findings.map(({ area }) => area))).to.deep.equal(
      new Set(['Machine', 'Disks', 'PostgreSQL', 'Kafka', 'MQTT broker']),
    )
    expect(told.topology.nodes.flatMap(({ cpus }) => cpus).length).to.be.at.least(availableParallelism())
    const found = (rule: string): string => told.findings.find((each) => each.rule === rule)?.found ?? ''
    expect(found('disk-sync-rate')).to.match(/^[1-9]\d*\/s, slowest/)
    // As deploy/local has set them.
    expect(found('pg-wal-compression')).to.equal('lz4')
    expect(found('kafka-auto-create')).to.equal('false')
    expect(found('broker-queue-bytes')).to.equal('300000000')
  })

  it('measures in the folder that it is given, and says why if it cannot', async () => {
    const measured = await runMillrace(['doctor', '--folder', folder, '--measure', '1s'])
    expect(measured.output).to.match(new RegExp(`disk-sync-rate \\(${folder}\\)`))
    expect(readdirSync(folder)).to.deep.equal([])
    const nowhere = await runMillrace(['doctor', '--folder', `${folder}/none`])
    expect(nowhere.output).to.match(/disk-sync-rate: nothing can be written to .*\/none/)
  })

  it('says what it did not see if servers are away or do not let it, and is no worse for it', async () => {
    const away = {
      TELEMETRY_DATABASE_URL: 'postgres://x@127.0.0.1:9/t',
      APP_DATABASE_URL: 'postgres://x@127.0.0.1:9/a',
      KAFKA_BROKERS: '127.0.0.1:9',
    }
    const none = await runMillrace(['doctor', '--no-measure'], away)
    expect(none.error).to.equal('')
    expect(none.output).to.match(/Could not be seen:.*PostgreSQL: connecting to the database .*Kafka: /s)
    const reader = process.env.TELEMETRY_READER_URL
    const little = await runMillrace(['doctor', '--no-measure'], {
      TELEMETRY_DATABASE_URL: reader,
      APP_DATABASE_URL: process.env.APP_READER_URL,
    })
    expect(little.output).to.include('its data directory is told to members of pg_read_all_settings only')
    expect(little.output).to.match(/^ {2}pg-wal-compression \(telemetry, app\) +lz4$/m)
  })
})
