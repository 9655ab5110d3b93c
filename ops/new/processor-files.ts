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

/** A reading of which only the temperature is known. */
export const READING = `function reading(temperature: number | null): Reading {
  const none = Object.fromEntries(quantities.map(({ name }) => [name, null])) as Record<(typeof quantities)[number]['name'], null>
  const head = { device_id: 'hive-1', firmware: 'hive-1', boot: 1, seq: 2 }
  return { ...head, ts: 1_764_400_000_000_000, time_estimated: false, account_id: 1, site_id: 2, ...none, temperature }
}`

/** Its test in a package of its own, which needs nothing but Node.js. */
export function processorTest(name: string): string {
  return `import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { type Lookups, quantities, type Reading } from 'millrace/processor'
import { processor } from './processor.ts'

${READING}

/** It looks nothing up. */
const lookups = {} as Lookups
const handle = (temperature: number | null): unknown => processor.handle(reading(temperature), lookups)

describe('${name}', () => {
  it('gives an alert for a sample below the limit', () => {
    const value = { device_id: 'hive-1', ts: 1_764_400_000_000_000, temperature: -0.5 }
    assert.deepEqual(handle(-0.5), { tag: 'emit', to: 'alerts', value })
  })

  it('leaves out what is not below it, or has no temperature, and counts why', () => {
    assert.deepEqual(handle(0), { tag: 'drop', reason: 'not-below-the-limit' })
    assert.deepEqual(handle(null), { tag: 'drop', reason: 'no-temperature' })
  })

  it('rejects what no sensor measures', () => {
    const detail = 'expected at least -50 °C, got -50.1'
    assert.deepEqual(handle(-50.1), { tag: 'reject', reason: 'implausible', detail, samples: [], quantities: [] })
  })
})
`
}

/** The same for a folder of processors/, in the project's own manner. */
export function projectProcessorTest(name: string): string {
  return `import { expect } from 'chai'
import { quantities, type Reading } from '../../schemas/generated/readings.ts'
import type { Lookups } from '../contract.ts'
import { processor } from './processor.ts'

${READING}

/** It looks nothing up. */
const lookups = {} as Lookups
const handle = (temperature: number | null): unknown => processor.handle(reading(temperature), lookups)

describe('${name}', () => {
  it('gives an alert for a sample below the limit', () => {
    const value = { device_id: 'hive-1', ts: 1_764_400_000_000_000, temperature: -0.5 }
    expect(handle(-0.5)).to.deep.equal({ tag: 'emit', to: 'alerts', value })
  })

  it('leaves out what is not below it, or has no temperature, and counts why', () => {
    expect(handle(0)).to.deep.equal({ tag: 'drop', reason: 'not-below-the-limit' })
    expect(handle(null)).to.deep.equal({ tag: 'drop', reason: 'no-temperature' })
  })

  it('rejects what no sensor measures', () => {
    expect(handle(-50.1)).to.deep.include({ tag: 'reject', reason: 'implausible' })
  })
})
`
}
