import { portOf, typeName, valueName } from './name.ts'
import type { Files, Imports } from './place.ts'

/**
 * The files of a new processor: it emits a record for each sample below a limit. They are a
 * beginning, to be changed.
 */
export function processorFiles(name: string, imports: Imports): Files {
  return {
    [`${name}.avsc`]: schema(name),
    'reasons.ts': reasons(name, imports),
    'processor.ts': processor(name, imports),
  }
}

function schema(name: string): string {
  return `{
  "type": "record",
  "name": "${typeName(name)}",
  "namespace": "own",
  "doc": "A sample of a device was below the limit. There is one for each such sample: device_id and ts name it.",
  "fields": [
    { "name": "device_id", "type": "string", "doc": "The device, or device/channel." },
    { "name": "ts", "type": { "type": "long", "logicalType": "timestamp-micros" }, "doc": "Time of the sample." },
    { "name": "temperature", "type": "double", "doc": "In degrees Celsius." }
  ]
}
`
}

function reasons(name: string, { contract }: Imports): string {
  return `import type { ReasonDoc } from '${contract}'

/** Why ${name} rejects a sample. */
export const reasons = {
  implausible: {
    means: 'The temperature is lower than any that was measured outdoors.',
    whatToDo: 'Look at the sensor. If the sample is right after all, lower the limit and redrive.',
  },
} as const satisfies Readonly<Record<string, ReasonDoc>>
`
}

function processor(name: string, { avro, contract, topics }: Imports): string {
  const imports =
    avro === contract
      ? `import { avroOutput, defineProcessor, drop, emit, readings, reject, type Topic } from '${contract}'`
      : `import { avroOutput } from '${avro}'
import { defineProcessor, drop, emit, reject, type Topic } from '${contract}'
import { readings } from '${topics}'`
  return `${imports}
import { ${valueName(name)}Schema } from './generated/${name}.ts'
import { reasons } from './reasons.ts'

/** In degrees Celsius. */
const LIMIT = 0
/** In degrees Celsius. What is below is a fault of the sensor. */
const LOWEST = -50

const alerts = avroOutput('${name}.alerts' as Topic, ${valueName(name)}Schema)

/** One alert for each sample below the limit. */
export const processor = defineProcessor({
  from: readings,
  to: { alerts },
  reasons,
  metricsPort: ${portOf(name)},
  handle: ({ device_id, ts, temperature }) => {
    if (temperature === null) return drop('no-temperature')
    if (temperature < LOWEST) return reject('implausible', \`expected at least \${LOWEST} °C, got \${temperature}\`)
    return temperature < LIMIT ? emit('alerts', { device_id, ts, temperature }) : drop('not-below-the-limit')
  },
})
`
}

/** Its test in a package of its own, which needs nothing but Node.js. */
export function processorTest(name: string): string {
  return `import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { checkProcessor, feed, type RecordOutcome, readingsRecord, type TestRecord } from 'millrace/testing'
import { processor } from './processor.ts'

${SAMPLES}

describe('${name}', () => {
  it('gives an alert for a sample below the limit', () => {
    const value = { device_id: 'hive-1', ts: TS, temperature: -0.5 }
    assert.deepEqual(outcomeOf(-0.5)?.emitted, [{ output: 'alerts', key: 'hive-1', value }])
  })

  it('leaves out what is not below it, or has no temperature, and counts why', () => {
    assert.deepEqual(outcomeOf(0)?.dropped, { 'not-below-the-limit': 1 })
    assert.deepEqual(outcomeOf(null)?.dropped, { 'no-temperature': 1 })
  })

  it('rejects what no sensor measures', () => {
    assert.deepEqual(
      outcomeOf(-50.1)?.rejected.map(({ reason }) => reason),
      ['implausible'],
    )
  })

  it('keeps to what every processor must keep to', () => {
    checkProcessor(processor, [-50.1, -0.5, 0, null].map(sample))
  })
})
`
}

/** The same for a folder of processors/, in the project's own manner. */
export function projectProcessorTest(name: string): string {
  return `import { expect } from 'chai'
import { checkProcessor, feed, type RecordOutcome, readingsRecord, type TestRecord } from '../../kit/testing.ts'
import { processor } from './processor.ts'

${SAMPLES}

describe('${name}', () => {
  it('gives an alert for a sample below the limit', () => {
    const value = { device_id: 'hive-1', ts: TS, temperature: -0.5 }
    expect(outcomeOf(-0.5)?.emitted).to.deep.equal([{ output: 'alerts', key: 'hive-1', value }])
  })

  it('leaves out what is not below it, or has no temperature, and counts why', () => {
    expect(outcomeOf(0)?.dropped).to.deep.equal({ 'not-below-the-limit': 1 })
    expect(outcomeOf(null)?.dropped).to.deep.equal({ 'no-temperature': 1 })
  })

  it('rejects what no sensor measures', () => {
    expect(outcomeOf(-50.1)?.rejected.map(({ reason }) => reason)).to.deep.equal(['implausible'])
  })

  it('keeps to what every processor must keep to', () => {
    checkProcessor(processor, [-50.1, -0.5, 0, null].map(sample))
  })
})
`
}

const SAMPLES = `/** Microseconds since 1970. */
const TS = 1_764_400_000_000_000

const sample = (temperature: number | null): TestRecord => readingsRecord({ device_id: 'hive-1', ts: TS, temperature })
const outcomeOf = (temperature: number | null): RecordOutcome | undefined => feed(processor, [sample(temperature)])[0]`
