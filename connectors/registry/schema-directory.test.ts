import { expect } from 'chai'
import { ConnectorError } from '../contract.ts'
import type { SchemaRegistry } from './registry.ts'
import { openSchemaDirectory, type SchemaDirectory } from './schema-directory.ts'

describe('the directory of schemas', () => {
  let registered: Map<number, string>
  let readings: number
  let down: boolean
  let directory: SchemaDirectory
  let abort: AbortController

  beforeEach(async () => {
    registered = new Map([[1, '"int"']])
    readings = 0
    down = false
    abort = new AbortController()
    const registry: Pick<SchemaRegistry, 'subjects' | 'versions'> = {
      async subjects() {
        if (down) throw new ConnectorError('REGISTRY_UNREACHABLE', true, 'listing subjects')
        readings++
        return ['a']
      },
      versions: async () => [...registered].map(([id, schema]) => ({ id, version: id, schema })),
    }
    directory = await openSchemaDirectory({
      registry: registry as SchemaRegistry,
      prefix: '',
      log: { info: () => undefined, warn: () => undefined, error: () => undefined },
      signal: abort.signal,
    })
  })

  afterEach(async () => {
    abort.abort()
    await directory[Symbol.asyncDispose]()
  })

  it('finds what was registered a moment after the last reading: it must not become a dead letter', async () => {
    registered.set(2, '"long"')
    await directory.prepare(new Set([1, 2]))
    expect(directory.schema(2)).to.equal('long')
    expect(readings).to.equal(2)
  }).timeout(5_000)

  it('asks once for an ID that nobody knows, and not for each record that has it', async () => {
    await directory.prepare(new Set([9]))
    const began = performance.now()
    for (let record = 0; record < 100; record++) await directory.prepare(new Set([9]))
    expect(performance.now() - began).to.be.below(1_000)
    expect(directory.schema(9)).to.equal(undefined)
    expect(readings).to.equal(2)
  }).timeout(5_000)

  it('waits where the registry is down, though it answered a moment ago', async () => {
    down = true
    let answered = false
    const prepared = directory.prepare(new Set([2])).then(() => {
      answered = true
    })
    await new Promise((resolve) => setTimeout(resolve, 2_500))
    expect(answered).to.equal(false)
    registered.set(2, '"long"')
    down = false
    await prepared
    expect(directory.schema(2)).to.equal('long')
  }).timeout(10_000)
})
