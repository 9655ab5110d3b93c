import { createRequire } from 'node:module'
import { expect } from 'chai'
import { ConnectorError } from '../contract.ts'
import { KafkaJSProtocolError } from './kafkajs.ts'
import { kafkaError } from './outage.ts'

const { KafkaJSConnectionError, KafkaJSNonRetriableError, KafkaJSNumberOfRetriesExceeded } = createRequire(import.meta.url)(
  'kafkajs/src/errors',
) as Record<string, new (cause: unknown, details?: object) => Error>

describe('errors of Kafka', () => {
  const refused = new (KafkaJSConnectionError as new (cause: unknown) => Error)('connect ECONNREFUSED')
  const exceeded = (cause: Error): Error =>
    new (KafkaJSNumberOfRetriesExceeded as new (cause: unknown, details: object) => Error)(cause, { retryCount: 8, retryTime: 1 })
  const protocol = (type: string): Error => new KafkaJSProtocolError({ type, code: 3, retriable: true, message: type } as never)

  it('are transient if the cluster is not there, however often kafkajs has tried', () => {
    expect(kafkaError('asking', exceeded(refused))).to.include({ code: 'KafkaJSConnectionError', transient: true })
    expect(kafkaError('asking', exceeded(exceeded(refused)))).to.include({ transient: true })
    expect(kafkaError('asking', protocol('COORDINATOR_LOAD_IN_PROGRESS'))).to.include({ transient: true })
  })

  it('are transient if every broker failed when it was asked, as while Kafka is being started: not a TypeError', async () => {
    const { prototype } = createRequire(import.meta.url)('kafkajs/src/cluster/brokerPool') as {
      readonly prototype: { withBroker(callback: () => Promise<unknown>): Promise<unknown> }
    }
    const pool = { __proto__: prototype, getNodeIds: () => ['1', '2'], findBroker: async () => ({}) } as unknown as typeof prototype
    const failure: unknown = await pool.withBroker(() => Promise.reject(refused)).catch((cause: unknown) => cause)
    expect(kafkaError('asking', failure)).to.include({ code: 'KafkaJSBrokerNotFound', transient: true })
    expect(await pool.withBroker(async () => 'an answer')).to.equal('an answer')
  })

  it('are transient if a connection ended just before a request', () => {
    const { prototype } = createRequire(import.meta.url)('kafkajs/src/broker') as { readonly prototype: object }
    const broker = Object.create(prototype) as { lookupRequest: () => unknown }
    broker.lookupRequest = function notInitializedLookup() {
      throw new Error('Broker not connected')
    }
    const failure: unknown = (() => {
      try {
        return broker.lookupRequest()
      } catch (cause) {
        return cause
      }
    })()
    expect(kafkaError('asking', failure)).to.include({ code: 'KafkaJSBrokerNotFound', transient: true })
    expect(failure).to.include({ retriable: true })
    broker.lookupRequest = () => 'a request'
    expect(broker.lookupRequest()).to.equal('a request')
  })

  it('are transient if one retry wrapped another and took it for final', () => {
    const wrapped = new (KafkaJSNonRetriableError as new (cause: unknown, details: object) => Error)(exceeded(refused), {
      cause: exceeded(refused),
    })
    expect(kafkaError('asking', wrapped)).to.include({ code: 'KafkaJSConnectionError', transient: true })
  })

  it('are final if a topic does not exist or access is denied', () => {
    expect(kafkaError('asking', exceeded(protocol('UNKNOWN_TOPIC_OR_PARTITION')))).to.include({
      code: 'KAFKA_UNKNOWN_TOPIC_OR_PARTITION',
      transient: false,
    })
    expect(kafkaError('asking', protocol('TOPIC_AUTHORIZATION_FAILED'))).to.include({ transient: false })
  })

  it('are final where nobody knows them, and stay what they are where they are known already', () => {
    expect(kafkaError('asking', new TypeError('a defect'))).to.include({ transient: false })
    const known = new ConnectorError('x', true, 'asking')
    expect(kafkaError('asking', known)).to.equal(known)
  })
})
