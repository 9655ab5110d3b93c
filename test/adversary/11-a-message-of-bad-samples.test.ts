import { expect } from 'chai'
import { createRegistry } from '../../connectors/registry/registry.ts'
import { frameRecord, produce, testFirmware, wire } from '../pipeline/frames.ts'
import { millrace, startService, until } from '../pipeline/service.ts'
import { address } from '../pipeline/stack-clients.ts'
import { closing } from './closing.ts'
import { provision } from './messages.ts'
import { type Outcomes, openOutcomes } from './outcomes.ts'

const run = `bad-samples-${Date.now().toString(36)}`
const SAMPLES = 10_000

describe('a message of which every sample is rejected', () => {
  const { use } = closing()
  const firmware = testFirmware(run.replaceAll('-', ''))
  let outcomes: Outcomes
  let schemaId: number

  before(async () => {
    await provision(run)
    schemaId = await createRegistry(address('REGISTRY_URL')).register(firmware.subject, firmware.schema('0.01'))
    outcomes = await use(openOutcomes())
    for (const service of [['run', 'standardise'], ['store']]) await use(startService(...service))
  })

  // It was a dead letter for each sample, with the whole message in each: 386 MB for 20,000
  // samples.
  it('is one dead letter for each reason, little larger than the message, and can be redriven', async function () {
    this.timeout(60_000)
    const hot = firmware.datum(1, Date.now() - SAMPLES * 1000, Array(SAMPLES).fill(30_000))
    const frame = wire(schemaId, hot)
    await produce([frameRecord(run, frame), frameRecord(run, wire(schemaId, firmware.datum(2, Date.now() - 1000, [2000])))])
    await until('the good frame is stored', async () => (await outcomes.readings(run)).some(({ values }) => values.temperature === 20))
    const deadLetters = await outcomes.deadLetters(run)
    expect(deadLetters.map(({ reason, samples }) => [reason, samples.length])).to.deep.equal([['out-of-range', SAMPLES]])
    expect(deadLetters[0]?.value).to.deep.equal(frame)
    const [exported = ''] = (await millrace('dead', 'export', 'standardise', '--device', run)).trim().split('\n')
    expect(exported.length).to.be.below(2 * frame.length + 10 * SAMPLES)
    await createRegistry(address('REGISTRY_URL')).register(firmware.subject, firmware.schema('0.001'))
    await until('the wrong conversion is succeeded', async () =>
      (await millrace('redrive', 'standardise', '--dry-run', '--device', run)).includes('1 dead letters would be redriven: 1 succeeded'),
    )
    await millrace('redrive', 'standardise', '--device', run)
    await until('every sample is stored', async () => (await outcomes.rows(run)) === SAMPLES + 1, 60_000)
  })
})
