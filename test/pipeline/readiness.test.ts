import { expect } from 'chai'
import { freePort, launchWith, millrace, type RunningService, startService } from './service.ts'

describe('what an orchestrator asks of a service', () => {
  const answers = async ({ port }: RunningService): Promise<readonly number[]> =>
    Promise.all(['livez', 'readyz', 'health'].map(async (page) => (await fetch(`http://127.0.0.1:${port}/${page}`)).status))

  before(async () => {
    await millrace('migrate')
    await millrace('schemas', 'register')
  })

  it('is alive and ready once it runs', async () => {
    await using standardise = await startService('run', 'standardise')
    expect(await answers(standardise)).to.deep.equal([200, 200, 200])
  })

  it('is alive but not ready while it waits for what it needs to start', async () => {
    await using waiting = await launchWith({ env: { REGISTRY_URL: `http://127.0.0.1:${await freePort()}` } }, 'run', 'standardise')
    for (let answered = false; !answered; ) answered = (await waiting.health().catch(() => undefined)) !== undefined
    expect(await answers(waiting)).to.deep.equal([200, 503, 503])
    expect(await (await fetch(`http://127.0.0.1:${waiting.port}/readyz`)).text()).to.equal('it has not started yet\n')
  })
})
