import { once } from 'node:events'
import { setImmediate as turn } from 'node:timers/promises'
import { expect } from 'chai'
import type { Config } from '../../../services/config.ts'
import type { redrivable } from '../../redrive/line.ts'
import type { RedriveEnd, RedriveOptions } from '../../redrive/redrive.ts'
import { createRedriveRunner, type RedriveRunner } from './redrive-runner.ts'

const silent = { info: () => undefined, warn: () => undefined, error: () => undefined }
const asked = { processor: 'standardise', reason: 'unknown-device', device: null }

describe('redrives that are begun on the page', () => {
  let runs: RedriveOptions[]
  let finish: (end: RedriveEnd | Error) => void

  function runner(): RedriveRunner {
    runs = []
    return createRedriveRunner({
      config: {} as Config,
      by: 'test',
      log: silent,
      explain: (cause) => (cause as Error).message,
      find: (async () => ({})) as unknown as typeof redrivable,
      redrive: (options) => {
        runs.push(options)
        return new Promise((resolve, reject) => {
          finish = (end) => (end instanceof Error ? reject(end) : resolve(end))
          void once(options.stopping, 'abort').then(() => resolve({ ending: 'interrupted', lines: ['some'] }))
        })
      },
    })
  }

  async function refusal(work: Promise<void>): Promise<string> {
    return work.then(
      () => 'begun',
      (cause: Error) => cause.message,
    )
  }

  it('come after a dry run of the same', async () => {
    const page = runner()
    const needs = 'expected a dry run of the same first'
    expect(await refusal(page.begin({ ...asked, dryRun: false }))).to.equal(needs)
    await page.begin({ ...asked, dryRun: true })
    finish({ ending: 'finished', lines: ['3 dead letters would be redriven'] })
    await turn()
    expect(page.state).to.deep.include({ dryRun: true, lines: ['3 dead letters would be redriven'], problem: null })
    expect(await refusal(page.begin({ ...asked, device: 'hive-1', dryRun: false }))).to.equal(needs)
    expect(await refusal(page.begin({ ...asked, dryRun: false }))).to.equal('begun')
    expect(runs.map(({ dryRun, filter, by }) => ({ dryRun, filter, by }))).to.deep.equal([
      { dryRun: true, filter: { reason: 'unknown-device' }, by: 'test' },
      { dryRun: false, filter: { reason: 'unknown-device' }, by: 'test' },
    ])
    finish({ ending: 'finished', lines: [] })
    await turn()
    expect(await refusal(page.begin({ ...asked, dryRun: false })), 'a dry run is good for one').to.equal(needs)
  })

  it('are one at a time, and can be stopped', async () => {
    const page = runner()
    await page.begin({ ...asked, dryRun: true })
    expect(await refusal(page.begin({ ...asked, dryRun: true }))).to.equal('a redrive of this page is under way: wait for it, or stop it')
    page.stop()
    await turn()
    expect(page.state?.lines).to.deep.equal(['some', 'It was stopped before its end.'])
    expect(await refusal(page.begin({ ...asked, dryRun: false })), 'it did not come to its end').to.match(/dry run/)
  })

  it('say why they failed, and the next one can begin', async () => {
    const page = runner()
    await page.begin({ ...asked, dryRun: true })
    finish(new Error('Kafka is away'))
    await turn()
    expect(page.state?.problem).to.equal('Kafka is away')
    expect(await refusal(page.begin({ ...asked, dryRun: true }))).to.equal('begun')
  })

  it('end with the page', async () => {
    const page = runner()
    await page.begin({ ...asked, dryRun: true })
    await page[Symbol.asyncDispose]()
    expect(page.state?.ended).to.be.a('number')
  })
})
