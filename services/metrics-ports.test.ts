import { expect } from 'chai'
import type { ConsumerName } from '../processors/contract.ts'
import type { Config } from './config.ts'
import { ConfigError } from './config-file.ts'
import { metricsPort, requireOwnPorts, serviceAddress } from './metrics-ports.ts'

type Listening = Parameters<typeof metricsPort>[1]

const service = (name: string, port?: number): Listening => ({ name: name as ConsumerName, metricsPort: port })
const portsOf = (ports: Config['metrics']['ports'], ...services: readonly Listening[]): readonly number[] =>
  services.map((each) => metricsPort({ metrics: { ports } }, each))

describe('the port of metrics', () => {
  it('is the one that a service declares, unless the configuration has another by its name, or one for all', () => {
    const services = [service('frost-alert'), service('standardise', 9466)]
    expect(portsOf({ 'frost-alert': 9500 }, ...services)).to.deep.equal([9500, 9466])
    expect(portsOf({ 'frost-alert': 9500, standardise: 9501 }, ...services)).to.deep.equal([9500, 9501])
    expect(portsOf(9464, ...services)).to.deep.equal([9464, 9464])
  })

  it('is asked for if nobody gave it', () => {
    expect(() => portsOf({}, service('frost-alert'))).to.throw(ConfigError, /port for frost-alert/)
    expect(() => portsOf({}, service('constructor'))).to.throw(ConfigError, /port for constructor/)
  })

  it('is not that of another service of the machine', () => {
    const config = { metrics: { ports: { standardise: 9464 } } }
    expect(() => requireOwnPorts(config, [service('bridge', 9464), service('standardise', 9466)])).to.throw(
      ConfigError,
      'bridge and standardise have the same port 9464',
    )
  })

  it('is at a host of its own if each service has a machine or container', () => {
    const config = { metrics: { ports: 9464, host: '0.0.0.0', host_names: [], reached_as: 'millrace-{service}.line' } }
    expect(serviceAddress(config, service('store'))).to.equal('http://millrace-store.line:9464')
    requireOwnPorts(config, [service('bridge'), service('store')])
    expect(serviceAddress({ metrics: { ports: 9464, host: '0.0.0.0', host_names: [] } }, service('store'))).to.equal(
      'http://127.0.0.1:9464',
    )
  })
})
