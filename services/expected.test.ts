import { expect } from 'chai'
import { ConnectorError } from '../connectors/contract.ts'
import { KafkaJSError } from '../connectors/kafka/kafkajs.ts'
import { MigrationError } from '../connectors/postgres/migrations.ts'
import { ConfigError } from './config.ts'
import { expectedFailure } from './expected.ts'

describe('a failure', () => {
  it('is expected if it is about a configuration, a schema or the outside world', () => {
    expect(expectedFailure(new ConfigError('no such file'))).to.equal('no such file')
    expect(expectedFailure(new MigrationError('newer'))).to.equal('newer')
    expect(expectedFailure(new ConnectorError('28P01', false, 'connecting', new Error('refused')))).to.equal('connecting: refused')
    expect(expectedFailure(new KafkaJSError('Connection error'))).to.equal('asking Kafka: Connection error')
    expect(expectedFailure(Object.assign(new Error('ENOSPC: no space left'), { syscall: 'write', errno: -28 }))).to.equal(
      'ENOSPC: no space left',
    )
  })

  it('says what to do if nothing listens at the address', () => {
    const refused = Object.assign(new Error('connect ECONNREFUSED 127.0.0.1:5433'), { code: 'ECONNREFUSED' })
    const failure = new ConnectorError('unreachable', true, 'connecting', new Error('fetch failed', { cause: refused }))
    expect(expectedFailure(failure)).to.match(/^connecting: fetch failed; nothing listens there: .*deploy\/local\/start/)
    expect(expectedFailure(new ConfigError('no such file'))).to.equal('no such file')
    expect(expectedFailure(refused)).to.equal(undefined)
  })

  it('is a defect otherwise, and then its stack is wanted', () => {
    for (const cause of [
      new TypeError('x is undefined'),
      new RangeError('no'),
      new ConnectorError('unexpected', false, 'asking'),
      'text',
      undefined,
    ])
      expect(expectedFailure(cause)).to.equal(undefined)
  })
})
