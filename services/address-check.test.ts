import { expect } from 'chai'
import { addressFault, brokersFault } from './address-check.ts'

const mqtt = { schemes: ['mqtt', 'mqtts'], example: 'mqtt://host:port', path: false }
const postgres = { schemes: ['postgres', 'postgresql'], example: 'postgres://host:port/database', path: true, files: true, several: true }

describe('an address', () => {
  it('is good with user and password, escaped if they must be, and with IPv6', () => {
    for (const address of [
      'mqtt://127.0.0.1:1883',
      'mqtts://broker',
      'MQTT://broker',
      'mqtt://u:p%23%2F%40%25@[::1]:1883',
      'mqtt://u:p!:=,$@host',
      'mqtt://u@host',
      'mqtt://host/',
    ])
      expect(addressFault(address, mqtt), address).to.equal(undefined)
    for (const address of [
      'postgres://millrace@127.0.0.1:5433/telemetry',
      'postgresql://u:p@host/db?application_name=x',
      'postgres://u:ü@host/db',
    ])
      expect(addressFault(address, postgres), address).to.equal(undefined)
  })

  it('is refused if a password ends it early, or cannot be read', () => {
    for (const password of ['s3cr#t', '1234#t', 's/t', 's?t', 's%zzt', 's%t', 's%', '%ff', '#', '%zz#'])
      for (const [address, kind] of [
        [`mqtt://u:${password}@127.0.0.1:1883`, mqtt],
        [`postgres://millrace:${password}@127.0.0.1:5433/telemetry`, postgres],
      ] as const)
        expect(addressFault(address, kind), address)
          .to.include('%23')
          .and.not.match(/s3cr|1234/)
  })

  it('is refused with the driver’s settings of TLS, for which it may name files', () => {
    const fault = (query: string): string | undefined => addressFault(`postgres://u@host/db?${query}`, postgres)
    for (const query of ['ca_file=/a', 'ca_file=/a&cert_file=/b&key_file=/c&application_name=x'])
      expect(fault(query), query).to.equal(undefined)
    for (const name of ['sslmode', 'sslrootcert', 'ssl', 'SSLMODE', 'uselibpqcompat'])
      expect(fault(`application_name=x&${name}=require`), name).to.include(`without ${name}: ca_file=PATH in its place turns TLS on`)
    for (const query of ['cert_file=/b', 'ca_file=/a&key_file=/c', 'cert_file=&key_file=/c'])
      expect(fault(query), query).to.include('with both cert_file and key_file, or neither')
    expect(addressFault('mqtts://host?ca_file=/a', mqtt)).to.include('with nothing behind')
  })

  it('may be of several servers of PostgreSQL, and says which one is meant', () => {
    const fault = (address: string): string | undefined => addressFault(address, postgres)
    for (const address of [
      'postgres://u:p,q@a:5433,b:5434/db?target_session_attrs=read-write',
      'postgres://u@a,[::1]:5434,c/db?target_session_attrs=any&ca_file=/a',
      'postgres://u@a/db?target_session_attrs=primary',
    ])
      expect(fault(address), address).to.equal(undefined)
    expect(fault('postgres://u@a:5433,b:5434/db')).to.include('of several servers, target_session_attrs says which one is meant')
    expect(fault('postgres://u@a,b/db?target_session_attrs=leader')).to.include('target_session_attrs one of any, read-write')
    for (const address of [
      'postgres://u@a,/db',
      'postgres://u@,b/db',
      'postgres://u@a:0,b/db',
      'postgres://u@a:x,b/db',
      'postgres://u@a b,c/db',
    ])
      expect(fault(`${address}?target_session_attrs=any`), address).to.include('expected postgres://host:port/database')
    expect(fault('postgres://u@a,b/db?target_session_attrs=any&sslmode=require')).to.include('without sslmode')
    expect(addressFault('mqtt://a:1883,b:1883', mqtt)).to.include('expected mqtt://host:port')
  })

  it('is refused if it is another kind of address, or none', () => {
    for (const address of [
      'http://host',
      'host:1883',
      '127.0.0.1',
      'mqtt:host',
      'mqtt://',
      'mqtt://:1883',
      'mqtt://u@',
      'mqtt://host:0',
      'mqtt://host:65536',
      'mqtt://host:x',
      'mqtt://host/topic',
      'mqtt://host?x',
      'mqtt://host#x',
      'mqtt://:p@host',
      'mqtt://ho st',
      'mqtt://host\n',
      'mqtt://[::1',
    ])
      expect(addressFault(address, mqtt), address).to.match(/^expected mqtt:\/\/host:port/)
  })
})

describe('a list of Kafka brokers', () => {
  it('takes names and addresses of both kinds', () => {
    for (const brokers of ['127.0.0.1:9092', 'a:1,b.example:65535', '[::1]:9092', '[2001:db8::7]:9092,kafka-1:9092'])
      expect(brokersFault(brokers), brokers).to.equal(undefined)
  })

  it('is refused otherwise', () => {
    for (const brokers of [
      '',
      'host',
      'host:',
      'host:0',
      'host:65536',
      '::1:9092',
      '[::1]',
      '[::g]:9092',
      '[]:9092',
      'a:1,',
      'a:1, b:2',
      'u:p@host:9092',
      'kafka://host:9092',
      'a/b:1',
    ])
      expect(brokersFault(brokers), brokers).to.match(/^expected host:port/)
  })
})
