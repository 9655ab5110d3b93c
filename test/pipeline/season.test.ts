import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect } from 'chai'
import { createDatabase, type Database } from '../../connectors/postgres/database.ts'
import { awaitHandled, SEASON_SERVICES, startSeason } from '../../ops/fleet/season/run.ts'
import { tellStory } from '../../ops/fleet/season/story.ts'
import { openLags } from '../../ops/lag/lags.ts'
import { projectRoot } from '../../schemas/files.ts'
import { loadConfig } from '../../services/config.ts'
import { fleetAccess } from '../../services/fleet-access.ts'
import { launchConfigured, millrace, type RunningService } from './service.ts'
import { address } from './stack-clients.ts'

const PROCESSORS = 'processors: [standardise, movement, alerts]\n'
const run = `s${Date.now().toString(36)}`

describe('a season of a beekeeper, through the line', function () {
  this.timeout(200_000)
  const services: RunningService[] = []
  let database: Database
  let directory: string

  before(async () => {
    directory = mkdtempSync(join(tmpdir(), 'millrace-season-'))
    // The bridge does not start without its topics.
    await millrace('migrate')
    const bridge = await launchConfigured(PROCESSORS, 'bridge')
    services.push(bridge)
    await millrace('migrate', '--config', bridge.config)
    await millrace('schemas', 'register', '--config', bridge.config)
    for (const name of SEASON_SERVICES) services.push(await launchConfigured(PROCESSORS, 'run', name))
    await Promise.all(services.map((service) => service.ready()))
    database = createDatabase({ url: address('APP_DATABASE_URL'), applicationName: 'test' })
    // What other tests left on this stack comes first.
    await using lags = await openLags({ config: loadConfig({ ...process.env, MILLRACE_CONFIG: bridge.config }, undefined) })
    expect(await awaitHandled(() => lags.read(), SEASON_SERVICES, 180_000)).to.equal(true)
  })

  after(async () => {
    for (const service of services) await service[Symbol.asyncDispose]()
    await database?.[Symbol.asyncDispose]()
    rmSync(directory, { recursive: true })
  })

  /** A season that is sent within a second or so, and its story. */
  async function season(number: number, seed: number): Promise<string> {
    await using running = await startSeason({
      database,
      account: `${run} beekeeper`,
      prefix: run,
      hives: 16,
      seed,
      seconds: 1,
      fleet: {
        program: join(projectRoot, 'firmware/build/fleet'),
        broker: fleetAccess(loadConfig(process.env, undefined).env),
        bootFile: join(directory, 'season.boot'),
        logFile: join(directory, 'fleet.log'),
      },
    })
    expect(running.account).to.equal(`${run} beekeeper ${number}`)
    expect(await running.fleet.ended).to.equal(0)
    await using lags = await openLags({ config: loadConfig({ ...process.env, MILLRACE_CONFIG: services[0]?.config }, undefined) })
    expect(await awaitHandled(() => lags.read(), SEASON_SERVICES, 30_000)).to.equal(true)
    const { compared, untilMinute } = await running.compare()
    expect(compared.wrong.join('\n')).to.equal('')
    expect(untilMinute).to.equal(running.season.endMinute)
    expect(compared.sites.found.map(({ place }) => place.name)).to.have.members(running.season.places.slice(1).map(({ name }) => name))
    for (const { metres } of compared.sites.found) expect(metres).to.be.below(150)
    expect(compared.moves.seen).to.equal(compared.moves.expected).and.to.be.greaterThan(12)
    expect(compared.counts.reduce((sum, { seen }) => sum + seen, 0)).to.equal(16)
    expect(compared.explained).to.have.lengthOf(2)
    expect(compared.undecided).to.equal(0)
    const incidents = running.season.incidents.length
    expect(compared.alerts).to.deep.equal({ expected: incidents, opened: incidents, toClose: incidents, closed: incidents })
    return tellStory(running.season, compared, untilMinute).join('\n')
  }

  it('is seen as it was: each site founded once, each move, each count, each alert opened and closed once', async () => {
    expect(await season(1, 1)).to.contain('nothing was seen that did not happen, and nothing was missed')
  })

  it('is seen again with a second season on the same stack, which is of another account', async () => {
    expect(await season(2, 2)).to.contain('nothing was seen that did not happen, and nothing was missed')
  })
})
