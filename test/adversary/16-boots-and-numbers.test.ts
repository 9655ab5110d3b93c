import { expect } from 'chai'
import { createRegistry } from '../../connectors/registry/registry.ts'
import type { ContinuityReport, DeviceReport } from '../../ops/continuity/report.ts'
import { MOST_BOOTS, MOST_STRANGERS } from '../../processors/continuity/limits.ts'
import type { OutgoingRecord } from '../../processors/contract.ts'
import { frameRecord, produce, testFirmware, wire } from '../pipeline/frames.ts'
import { millrace, type RunningService, startService, until } from '../pipeline/service.ts'
import { address } from '../pipeline/stack-clients.ts'
import { closing } from './closing.ts'
import { provision } from './messages.ts'
import { type Outcomes, openOutcomes } from './outcomes.ts'

const run = `b${Date.now().toString(36)}`
const HONEST = `${run}-honest`
const LIAR = `${run}-liar`
const RESTLESS = `${run}-restless`
const BOOTS = 5_000
const NAMES = 1_500
const hourAgo = Date.now() - 3_600_000

describe('a device that numbers too much', function () {
  this.timeout(120_000)
  const { use } = closing()
  const firmware = testFirmware(run)
  let outcomes: Outcomes
  let continuity: RunningService
  let schemaId: number

  before(async () => {
    await provision(HONEST, LIAR, RESTLESS)
    schemaId = await createRegistry(address('REGISTRY_URL')).register(firmware.subject, firmware.schema('0.01'))
    outcomes = await use(openOutcomes())
    for (const service of [['run', 'standardise'], ['store']]) await use(startService(...service))
    continuity = await use(startService('run', 'continuity'))
  })

  const frame = (device: string, boot: number, seq: number, atMs = hourAgo + seq * 1000): OutgoingRecord =>
    frameRecord(device, wire(schemaId, firmware.datum(seq, atMs, [2000], boot)))
  const ask = async (...args: readonly string[]): Promise<ContinuityReport> =>
    JSON.parse(await millrace('continuity', '--json', ...args)) as ContinuityReport
  const of = async (device: string): Promise<DeviceReport> => {
    const report = (await ask('--device', device)).devices.find((each) => each.device === device)
    if (report === undefined) throw new Error(`${device} is not in the answer`)
    return report
  }
  const settled = async (device: string, frames: number): Promise<DeviceReport> => {
    await until(`${frames} frames of ${device} are in the answer`, async () => {
      const {
        frames: account,
        implausible,
        late,
      } = (await of(device).catch(() => undefined)) ?? { frames: undefined, implausible: 0, late: 0 }
      return account !== undefined && account.stored + account.deadLettered + implausible + late === frames
    })
    return of(device)
  }
  const rowsOf = async (table: string, device: string): Promise<number> =>
    Number((await outcomes.query(`SELECT count(*) FROM ${table} WHERE device_id LIKE $1`, [device]))[0]?.count)

  // The ledger said that 2,147,483,637 frames were missing.
  it('far ahead has two thousand million frames missing, in the sums of everybody', async () => {
    await produce([...Array(10).keys()].map((seq) => frame(LIAR, 1, seq)))
    await settled(LIAR, 10)
    const before = await ask()
    await produce([frame(LIAR, 1, 2_147_483_647, hourAgo + 20_000), frame(LIAR, 1, 11), frame(LIAR, 2, 1_000_000_000, hourAgo + 30_000)])
    const liar = await settled(LIAR, 13)
    expect(liar.frames).to.include({ numbered: 12, stored: 11, missing: 1 })
    expect(liar.implausible).to.equal(2)
    expect(liar.incomplete.map(({ missingNumbers }) => missingNumbers)).to.deep.equal([[{ first: 10, last: 10 }]])
    const after = await ask()
    expect(after.addsUp).to.equal(true)
    expect(after.frames.missing - before.frames.missing).to.equal(1)
    expect(await millrace('continuity', '--device', LIAR)).to.contain('2 frames have numbers that cannot be true')
    await until('the metric says so', async () => (await continuity.metric('millrace_implausible_frames_total')) >= 2)
    // The rows are there all the same.
    expect(await outcomes.rows(LIAR)).to.equal(13)
  })

  // 300,000 of them made the process and the answer run out of memory.
  it('under a new boot each time fills the memory of the ledger, the database and the answer', async () => {
    await produce([...Array(50).keys()].filter((seq) => seq !== 20).map((seq) => frame(HONEST, 1, seq)))
    const some = (from: number): readonly OutgoingRecord[] =>
      Array.from({ length: 2_500 }, (_, index) => frame(RESTLESS, from + index, 0, hourAgo + (from + index) * 100))
    for (let from = 0; from < BOOTS; from += 2_500) await produce(some(from))
    await produce([...Array(50).keys()].map((seq) => frame(HONEST, 1, seq + 50)))
    await until(
      'the ledger has all boots',
      async () =>
        (await continuity.metric('millrace_records_total')) - (await continuity.metric('millrace_dead_letters_read_total')) >= BOOTS + 112,
      60_000,
    )
    const restless = await settled(RESTLESS, BOOTS)
    expect(restless.frames).to.deep.equal({ numbered: BOOTS, stored: BOOTS, deadLettered: 0, inFlight: 0, missing: 0 })
    expect(restless).to.include({ boots: BOOTS, conflicts: 0 })
    const honest = await settled(HONEST, 99)
    expect(honest.frames).to.deep.equal({ numbered: 100, stored: 99, deadLettered: 0, inFlight: 0, missing: 1 })
    // What was written last is folded with what is written next.
    let boot = BOOTS
    await until(
      'there are few rows of it',
      async () => {
        await produce([frame(RESTLESS, boot, 0, hourAgo + boot++ * 100)])
        return (await rowsOf('continuity_boot', RESTLESS)) <= MOST_BOOTS
      },
      60_000,
    )
    expect(await continuity.metric('millrace_boots')).to.be.at.most(1_000)
    const folded = await settled(RESTLESS, boot)
    expect(folded.boots).to.equal(boot)
    expect(folded.folded).to.be.at.least(BOOTS - MOST_BOOTS)
    expect(folded.frames).to.deep.equal({ numbered: boot, stored: boot, deadLettered: 0, inFlight: 0, missing: 0 })
    expect(await millrace('continuity', '--device', RESTLESS)).to.contain('boots are folded together')
    // One of the first boots again: nobody knows any more whether that frame was counted.
    await produce([frame(RESTLESS, 3, 0, hourAgo + 300)])
    const late = await settled(RESTLESS, boot + 1)
    expect(late).to.include({ boots: boot, late: 1 })
    expect(late.frames).to.deep.equal(folded.frames)
  })

  it('and names that nobody provisioned fill the ledger', async () => {
    const name = (index: number): string => `${run}-name-${index}`
    const honestBefore = (await of(HONEST)).frames
    for (let from = 0; from < NAMES; from += 500) await produce(Array.from({ length: 500 }, (_, index) => frame(name(from + index), 1, 0)))
    await until('they are known as strangers', async () => (await ask()).strangers.frames >= NAMES, 60_000)
    await until(
      'few of them are kept',
      async () => {
        const [folded] = await outcomes.query("SELECT boots FROM continuity_folded WHERE device_id = ''")
        return Number(folded?.boots ?? 0) > 0 && (await rowsOf('continuity_stranger', '%')) <= MOST_STRANGERS
      },
      60_000,
    )
    const report = await ask()
    expect(report.devices.filter(({ device }) => device.startsWith(`${run}-name-`))).to.deep.equal([])
    expect(await rowsOf('continuity_boot', `${run}-name-%`)).to.equal(0)
    expect(await rowsOf('continuity_device', `${run}-name-%`)).to.equal(0)
    expect(report.strangers.frames).to.be.at.least(NAMES)
    expect(await millrace('continuity')).to.match(/[\d,]+ frames came under names that are no devices/)
    expect((await of(HONEST)).frames).to.deep.equal(honestBefore)
  })

  it('of a name that becomes a device, what came before is not forgotten', async () => {
    const late = `${run}-late`
    await produce([0, 1, 2, 4].map((seq) => frame(late, 1, seq)))
    await until('its frames are dead letters', async () => (await of(late)).frames.deadLettered === 4)
    expect((await ask()).devices.map(({ device }) => device)).not.to.include(late)
    await until('they are written', async () => (await rowsOf('continuity_stranger', late)) === 1)
    await millrace('devices', 'add', '--account', 'test', late)
    await produce([frame(late, 1, 5)])
    await until('the next one is stored', async () => (await of(late)).frames.stored === 1)
    expect((await of(late)).frames).to.deep.equal({ numbered: 6, stored: 1, deadLettered: 4, inFlight: 0, missing: 1 })
    await until('its rows have moved', async () => (await rowsOf('continuity_boot', late)) === 1)
    expect(await rowsOf('continuity_stranger', late)).to.equal(0)
    await millrace('redrive', 'standardise', '--device', late)
    await until('all are stored', async () => (await of(late)).frames.stored === 5)
    expect((await of(late)).frames).to.deep.equal({ numbered: 6, stored: 5, deadLettered: 0, inFlight: 0, missing: 1 })
  })
})
