import { expect } from 'chai'
import { createRegistry } from '../../connectors/registry/registry.ts'
import type { ContinuityReport } from '../../ops/continuity/report.ts'
import { frameRecord, produce, testFirmware, wire } from '../pipeline/frames.ts'
import { millrace, type RunningService, startService, until } from '../pipeline/service.ts'
import { address } from '../pipeline/stack-clients.ts'
import { closing } from './closing.ts'
import { provision, sendMessages } from './messages.ts'
import { type Outcomes, openOutcomes } from './outcomes.ts'

const run = `probe${Date.now().toString(36)}`

/** A probe that is not plugged in says 327.67 °C. */
describe('one bad value', () => {
  const { use } = closing()
  const firmware = testFirmware(run)
  const [json, framed] = [`${run}-json`, `${run}-framed`]
  let outcomes: Outcomes
  let translate: RunningService

  before(async () => {
    await provision(json, framed)
    outcomes = await use(openOutcomes())
    translate = await use(startService('run', 'translate'))
    for (const service of [['run', 'standardise'], ['bridge'], ['store'], ['run', 'continuity']]) await use(startService(...service))
  })

  const values = async (device: string): Promise<readonly object[]> => (await outcomes.readings(device)).map((reading) => reading.values)

  it('takes none of its neighbours along: it is named, and they are stored', async () => {
    const ts = new Date(Date.now() - 60_000).toISOString()
    await sendMessages([
      { topic: `devices/${json}/telemetry`, payload: JSON.stringify({ ts, temperature: 327.67, humidity: 55, battery_voltage: 3.7 }) },
    ])
    await until('its neighbours are stored', async () => (await outcomes.rows(json)) === 1)
    expect(await values(json)).to.deep.equal([{ humidity: 55, battery_voltage: 3.7 }])
    await until('a dead letter is there', async () => (await outcomes.deadLetters(json)).length === 1)
    const [deadLetter] = await outcomes.deadLetters(json)
    expect(deadLetter).to.deep.include({
      reason: 'out-of-range',
      samples: [0],
      quantities: ['temperature'],
      detail: `${json}: temperature is 327.67 Cel; expected -60 to 200`,
    })
    await translate.metricIs(1, 'millrace_rejected_values_total')
  })

  it('is added to its row by a redrive once its conversion is succeeded, and nothing else is emitted anew', async function () {
    this.timeout(60_000)
    const wrong = await createRegistry(address('REGISTRY_URL')).register(firmware.subject, firmware.schema('0.1'))
    const start = Date.now() - 60_000
    await produce([frameRecord(framed, wire(wrong, firmware.datum(0, start, [1000, 2500, 1100])))])
    await until('all samples are stored', async () => (await outcomes.rows(framed)) === 3)
    expect(await values(framed)).to.deep.equal([{ temperature: 100, humidity: 50 }, { humidity: 50 }, { temperature: 110, humidity: 50 }])
    await createRegistry(address('REGISTRY_URL')).register(firmware.subject, firmware.schema('0.01'))
    await until('the conversion is succeeded', async () =>
      (await millrace('redrive', 'standardise', '--dry-run', '--device', framed)).includes('1 dead letters would be redriven: 1 succeeded'),
    )
    await millrace('redrive', 'standardise', '--device', framed)
    await until('the value is there', async () => (await outcomes.readings(framed)).every((reading) => 'temperature' in reading.values))
    // What was stored with the wrong conversion is not recomputed.
    expect(await values(framed)).to.deep.equal([
      { temperature: 100, humidity: 50 },
      { temperature: 25, humidity: 50 },
      { temperature: 110, humidity: 50 },
    ])
    const { devices } = JSON.parse(await millrace('continuity', '--json', '--device', framed)) as ContinuityReport
    expect(devices[0]?.frames).to.include({ numbered: 1, stored: 1, deadLettered: 0, missing: 0 })
  })
})
