import { readFileSync } from 'node:fs'
import avro from 'avsc'
import { expect } from 'chai'
import type { DeadLetter } from '../../processors/dead-letter.ts'
import { projectRoot, readFirmwares, readQuantities, readSchema } from '../../schemas/files.ts'
import { parseFirmware } from '../../schemas/firmware.ts'
import { createDeadSamples } from './dead-samples.ts'

const BASE = Date.UTC(2021, 5, 19, 0, 4, 58)

const hive = readFirmwares().find(({ firmware }) => firmware.id === 'hive-1')
const readings = readSchema('readings').json
const raw = readSchema('raw').json

function deadLetter(fields: Partial<DeadLetter>): DeadLetter {
  return {
    source_topic: 'telemetry.frames',
    source_partition: 0,
    source_offset: 7,
    source_timestamp: BASE,
    samples: [],
    quantities: [],
    key: Buffer.from('3629'),
    value: null,
    records: [],
    reason: 'out-of-range',
    detail: '',
    processor: 'standardise',
    processor_version: '0.1.0',
    attempt: 1,
    first_failed: BASE,
    last_failed: BASE,
    ...fields,
  } as DeadLetter
}

describe('the samples of a dead letter', () => {
  if (hive === undefined) throw new Error('schemas/firmware/hive-1.avsc is missing')
  const samples = createDeadSamples(hive.firmware, readings, raw)
  const frame = avro.Type.forSchema(hive.file.json as avro.Schema).toBuffer({
    boot: 1,
    seq: 2,
    clock: 'SYNCED',
    base: BASE,
    dropped: 0,
    dt: [0, 1_000, 500],
    temperature: [2_624, 1, 1],
    humidity: [3_545, 1, 1],
  })
  const onKafka = Buffer.concat([Buffer.from([0, 0, 0, 0, 9]), frame])

  it('are all of the frame, or the one that was refused', () => {
    const times = [BASE, BASE + 1_000, BASE + 1_500].map((ms) => ms * 1_000)
    expect(samples(deadLetter({ value: onKafka }))).to.deep.equal(times.map((tsMicros) => ({ device: '3629', tsMicros, quantities: [] })))
    const [, tsMicros] = times
    expect(samples(deadLetter({ value: onKafka, samples: [1] }))).to.deep.equal([{ device: '3629', tsMicros, quantities: [] }])
    const quantities = ['humidity']
    expect(samples(deadLetter({ value: onKafka, samples: [1], quantities }))).to.deep.equal([{ device: '3629', tsMicros, quantities }])
  })

  it('are those of JSON, in the message as the bridge got it and as Kafka has it, and of none if it cannot be read', () => {
    const json = createDeadSamples(undefined, readings, raw)
    const payload = Buffer.from('[{"ts":"2021-06-19T00:04:58Z","power":1},{"ts":"2021-06-19T00:04:59.5Z","power":"x"}]')
    const times = [BASE * 1_000, (BASE + 1_500) * 1_000]
    expect(
      json(deadLetter({ source_topic: 'devices/3629/telemetry', key: null, value: payload })).map(({ tsMicros }) => tsMicros),
    ).to.deep.equal(times)
    const record = avro.Type.forSchema(raw as avro.Schema, { logicalTypes: {} }).toBuffer({
      topic: 'devices/3629/telemetry',
      payload,
      received: 1,
      retained: false,
    })
    const value = Buffer.concat([Buffer.from([0, 0, 0, 0, 9]), record])
    expect(json(deadLetter({ source_topic: 'telemetry.raw', value, samples: [1], quantities: ['power'] }))).to.deep.equal([
      { device: '3629', tsMicros: times[1], quantities: ['power'] },
    ])
    expect(json(deadLetter({ source_topic: 'devices/3629/telemetry', value: Buffer.from('{') }))).to.deep.equal([])
  })

  it('are rows of the channels that they name, or of all if they are whole samples', () => {
    const example = JSON.parse(readFileSync(`${projectRoot}docs/examples/hive-3.avsc`, 'utf8')) as avro.Schema
    const firmware = parseFirmware(example, new Set(readQuantities().map(({ name }) => name)))
    const columns = { brood: [3_450], super: [], outside: [1_200], weight: [] }
    const datum = avro.Type.forSchema(example).toBuffer({ boot: 1, seq: 2, clock: 'SYNCED', base: BASE, dropped: 0, dt: [0], ...columns })
    const value = Buffer.concat([Buffer.from([0, 0, 0, 0, 9]), datum])
    const of = (quantities: readonly string[]) =>
      createDeadSamples(
        firmware,
        readings,
        raw,
      )(deadLetter({ value, samples: [0], quantities: [...quantities] })).map(({ device, quantities: own }) => [device, own])
    expect(of(['brood/temperature', 'weight', 'temperature'])).to.deep.equal([
      ['3629/brood', ['temperature']],
      ['3629', ['weight', 'temperature']],
    ])
    expect(of([])).to.deep.equal([
      ['3629/brood', []],
      ['3629/super', []],
      ['3629', []],
    ])
  })

  it('are found in a payload that the bridge could not forward', () => {
    const value = Buffer.concat([Buffer.from([0xc3, 0x01]), Buffer.alloc(8), frame])
    const found = samples(
      deadLetter({ processor: 'bridge', key: null, source_topic: 'devices/3629/telemetry', source_partition: -1, value }),
    )
    expect(found).to.have.length(3)
    expect(found[0]).to.deep.equal({ device: '3629', tsMicros: BASE * 1_000, quantities: [] })
  })

  it('are found in readings that the store refused', () => {
    const type = avro.Type.forSchema(readings as avro.Schema, { wrapUnions: 'auto', logicalTypes: {} })
    const sample = { ts: BASE * 1_000, time_estimated: false }
    const value = Buffer.concat([
      Buffer.alloc(5),
      type.toBuffer({ device_id: '3629', firmware: 'hive-1', boot: 1, seq: 2, dropped: 0, samples: [sample] }),
    ])
    expect(samples(deadLetter({ processor: 'store', source_topic: 'telemetry.readings', value, samples: [0] }))).to.deep.equal([
      { device: '3629', tsMicros: BASE * 1_000, quantities: [] },
    ])
  })

  it('are none if nobody can decode it', () => {
    expect(samples(deadLetter({ value: onKafka.subarray(0, 12) }))).to.deep.equal([])
    expect(samples(deadLetter({ value: null }))).to.deep.equal([])
    expect(
      samples(deadLetter({ processor: 'store', source_topic: 'telemetry.readings', value: Buffer.from([0, 0, 0, 0, 1, 8]) })),
    ).to.deep.equal([])
  })
})
