import { expect } from 'chai'
import { loadConfig } from './config.ts'
import { shippedServices } from './declared.ts'
import { rightCommand, wantedRights } from './kafka-rights.ts'

describe('rights in Kafka', () => {
  const rights = async (storage: object = {}): Promise<readonly string[]> => {
    const config = loadConfig({}, undefined)
    const wanted = wantedRights({ ...config, storage: { ...config.storage, ...storage } }, await shippedServices())
    return wanted.map(({ user, resource, name, operation }) => `${user} ${operation} ${resource} ${name}`)
  }

  it('are of each user those that its services declare', async () => {
    const of = (user: string) => (each: string) => each.startsWith(`millrace-${user} `)
    const all = await rights()
    expect(all.filter(of('store'))).to.deep.equal([
      'millrace-store Write topic store.dead',
      'millrace-store DescribeConfigs topic store.dead',
      'millrace-store Read topic telemetry.readings',
      'millrace-store DescribeConfigs topic telemetry.readings',
      'millrace-store Read group store',
    ])
    expect(all.filter(of('bridge'))).to.include.members([
      'millrace-bridge Write topic telemetry.frames',
      'millrace-bridge Read topic bridge.session',
      // Without them it could not read it: the memory was lost at each start.
      'millrace-bridge Read group-prefix millrace-scan-',
      'millrace-bridge Delete group-prefix millrace-scan-',
    ])
    expect(all.filter(of('bridge')).filter((each) => each.includes(' Read topic '))).to.deep.equal([
      'millrace-bridge Read topic bridge.session',
    ])
    expect(all.filter(of('continuity')).filter((each) => each.includes(' Write '))).to.deep.equal([])
    expect(all.filter(of('watch')).filter((each) => / (Write|Alter|Delete|Create) /.test(each))).to.deep.equal([])
    expect(all.filter(of('processors'))).to.include.members([
      'millrace-processors Read group standardise',
      'millrace-processors Describe topic millrace.pulse',
      'millrace-processors Write topic standardise.dead',
    ])
    expect(new Set(all).size).to.equal(all.length)
  })

  it('follow the configuration', async () => {
    expect(await rights({ archive_frames: '/archive' })).to.include('millrace-store Describe topic telemetry.frames')
    expect(await rights()).not.to.include('millrace-store Describe topic telemetry.frames')
  })

  it('can be given by hand', () => {
    expect(rightCommand({ user: 'millrace-store', resource: 'group', name: 'store', operation: 'Read' })).to.match(
      /--allow-principal User:millrace-store --operation Read --group 'store'$/,
    )
    expect(rightCommand({ user: 'u', resource: 'group-prefix', name: 'scan-', operation: 'Read' })).to.match(
      /--group 'scan-' --resource-pattern-type prefixed$/,
    )
    expect(rightCommand({ user: 'u', resource: 'cluster', name: 'kafka-cluster', operation: 'Describe' })).to.match(/Describe --cluster$/)
  })
})
