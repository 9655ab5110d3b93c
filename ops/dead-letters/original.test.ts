import { expect } from 'chai'
import { rawSchema } from '../../schemas/generated/raw.ts'
import { RawWriter } from '../../schemas/raw-writer.ts'
import { hexDump, type KnownSchemas, originalOf } from './original.ts'

const json = {
  type: 'record',
  name: 'Pair',
  fields: [
    { name: 'a', type: 'int' },
    { name: 'b', type: { type: 'array', items: 'int' } },
  ],
}
const schemas: KnownSchemas = {
  byId: (id) => (id === 7 ? { subject: 'pairs', json } : undefined),
  byFingerprint: (hex) => (hex === '0102030405060708' ? { subject: 'pairs', json } : undefined),
}
/** a = 1, b = [2, 3] */
const datum = Buffer.from([2, 4, 4, 6, 0])
const frame = (fingerprint: number[], rest: Buffer): Buffer => Buffer.concat([Buffer.from([0xc3, 1, ...fingerprint]), rest])

describe('the original of a dead letter', () => {
  it('is decoded by the fingerprint of a frame, or the schema ID of a record', () => {
    const decoded = ['{', '  "a": 1,', '  "b": "2 3"', '}']
    expect(originalOf(frame([1, 2, 3, 4, 5, 6, 7, 8], datum), schemas)).to.deep.equal([
      'original: 15 bytes, a frame with fingerprint 0102030405060708, pairs',
      ...decoded,
    ])
    expect(originalOf(Buffer.concat([Buffer.from([0, 0, 0, 0, 7]), datum]), schemas)).to.deep.equal([
      'original: 10 bytes, Avro with schema 7, pairs',
      ...decoded,
    ])
  })

  it('is a message of MQTT, with its payload as it was published', () => {
    const known: KnownSchemas = { ...schemas, byId: () => ({ subject: 'telemetry.raw-value', json: rawSchema.json }) }
    const of = (payload: Buffer): readonly string[] =>
      originalOf(new RawWriter(9).write('tele/plug/SENSOR', payload, 1_795_406_400_250_001, true), known)
    expect(of(Buffer.from('{"power":5}'))).to.deep.equal([
      'original: 43 bytes, Avro with schema 9, telemetry.raw-value',
      'topic: tele/plug/SENSOR',
      'received: 2026-11-23T04:00:00.250Z, the broker had retained it',
      'payload: 11 bytes of JSON',
      '{',
      '  "power": 5',
      '}',
    ])
    expect(of(Buffer.from('21.5')).slice(3)).to.deep.equal([
      'payload: 4 bytes, no JSON',
      '000000  32 31 2e 35                                      21.5',
    ])
  })

  it('is dumped with the reason if it cannot be decoded', () => {
    const [head, dump] = originalOf(Buffer.concat([Buffer.from([0, 0, 0, 0, 7]), datum.subarray(0, 3)]), schemas)
    expect(head).to.match(/^original: 8 bytes, Avro with schema 7, pairs, which it is not: /)
    expect(dump).to.equal('000000  00 00 00 00 07 02 04 04                          ........')
    expect(originalOf(frame([8, 8, 8, 8, 8, 8, 8, 8], datum), schemas)[0]).to.include('which the registry does not know')
    expect(originalOf(Buffer.concat([Buffer.from([0, 0, 0, 0, 7]), datum, datum]), schemas)[0]).to.include('which it is not')
  })

  it('is shown as it is where it is JSON, and dumped where it is nothing that is known', () => {
    expect(originalOf(Buffer.from('{"temperature": "warm"}'), schemas)).to.deep.equal([
      'original: 23 bytes of JSON',
      '{',
      '  "temperature": "warm"',
      '}',
    ])
    expect(originalOf(Buffer.from('garbage'), schemas)).to.deep.equal([
      'original: 7 bytes, neither a frame nor JSON',
      '000000  67 61 72 62 61 67 65                             garbage',
    ])
    expect(originalOf(null, schemas)).to.deep.equal(['original: no bytes'])
    expect(originalOf(Buffer.alloc(0), schemas)).to.deep.equal(['original: 0 bytes, neither a frame nor JSON'])
  })

  it('is dumped where it is JSON of more levels than can be written again', () => {
    const deep = `${'['.repeat(30_000)}${']'.repeat(30_000)}`
    expect(originalOf(Buffer.from(deep), schemas)[0]).to.equal('original: 60000 bytes, neither a frame nor JSON')
  })

  it('is shown with both values of a name that is there twice, and without its byte order mark', () => {
    const text = '{"power":1,"power":2}'
    expect(originalOf(Buffer.from(`\ufeff${text}`), schemas)).to.deep.equal(['original: 24 bytes of JSON', text])
  })

  it('is cut where it is long', () => {
    const lines = hexDump(Buffer.alloc(5000))
    expect(lines).to.have.length(257)
    expect(lines.at(-1)).to.equal('… 904 bytes more')
  })
})
