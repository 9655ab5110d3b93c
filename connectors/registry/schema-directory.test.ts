import { expect } from 'chai'
import { ConnectorError, type RememberedSchema, type SchemaMemory } from '../contract.ts'
import { fullName } from './judge.ts'
import type { SchemaRegistry, SchemaVersion, Which } from './registry.ts'
import { openSchemaDirectory, type SchemaDirectory, type SchemaDirectoryOptions } from './schema-directory.ts'

/** Fields tell schemas apart. */
const record = (name: string, ...fields: readonly string[]): string =>
  JSON.stringify({ type: 'record', name, fields: fields.map((field) => ({ name: field, type: 'int' })) })

interface Version {
  readonly id: number
  readonly schema: string
  readonly type?: string
  deleted?: boolean
}

/** The registry's API over versions in memory. Real ones are in test/adversary. */
class Registry {
  readonly subjects = new Map<string, Version[]>()
  readonly failing = new Set<string>()
  down = false
  readings = 0
  bodies = 0
  latestMs = 0

  client(): SchemaRegistry {
    const live = (subject: string, which: Which = 'live'): readonly (readonly [number, Version])[] => {
      this.answer()
      if (this.failing.has(subject)) throw new ConnectorError('REGISTRY_500', true, `reading ${subject}`)
      const versions = this.subjects.get(subject) ?? []
      return versions.map((version, index) => [index + 1, version] as const).filter(([, { deleted }]) => which !== 'live' || !deleted)
    }
    const api: Pick<SchemaRegistry, 'subjects' | 'versionNumbers' | 'version'> = {
      subjects: async (_prefix, which = 'live') => {
        this.answer()
        if (which === 'live') this.readings++
        return [...this.subjects.keys()].filter(
          (subject) => which !== 'live' || this.subjects.get(subject)?.some(({ deleted }) => !deleted),
        )
      },
      versionNumbers: async (subject, which) => live(subject, which).map(([number]) => number),
      version: async (subject, version, which): Promise<SchemaVersion | undefined> => {
        if (version === 'latest' && this.latestMs > 0) await new Promise((resolve) => setTimeout(resolve, this.latestMs))
        const all = live(subject, which)
        const found = version === 'latest' ? all.at(-1) : all.find(([number]) => number === version)
        if (version !== 'latest') this.bodies++
        return found === undefined
          ? undefined
          : { id: found[1].id, version: found[0], schema: found[1].schema, type: found[1].type ?? 'AVRO', references: false }
      },
    }
    return api as SchemaRegistry
  }

  private answer(): void {
    if (this.down) throw new ConnectorError('REGISTRY_UNREACHABLE', true, 'asking the registry')
  }
}

describe('the directory of schemas', function () {
  this.timeout(10_000)
  let registry: Registry
  let warnings: string[]
  let abort: AbortController
  let directory: SchemaDirectory

  const open = async (options: Partial<SchemaDirectoryOptions> = {}): Promise<SchemaDirectory> => {
    const note = (message: string, fields?: object): void => void warnings.push(`${message} ${JSON.stringify(fields)}`)
    directory = await openSchemaDirectory({
      registry: registry.client(),
      prefix: '',
      ownSubject: (schema) => fullName(schema) ?? 'none',
      log: { info: (message, fields) => void (message.startsWith('an entry') && note(message, fields)), warn: note, error: note },
      signal: abort.signal,
      ...options,
    })
    return directory
  }
  const knows = (id: number): boolean => directory.schema(id) !== undefined

  beforeEach(() => {
    registry = new Registry()
    registry.subjects.set('a', [{ id: 1, schema: record('a') }])
    warnings = []
    abort = new AbortController()
  })

  afterEach(async () => {
    await directory[Symbol.asyncDispose]()
    abort.abort()
  })

  it('finds what was registered a moment after the last reading: it must not become a dead letter', async () => {
    await open()
    await directory.refresh()
    registry.subjects.set('b', [{ id: 2, schema: record('b') }])
    const began = performance.now()
    await directory.prepare({ ids: new Set([1, 2]) })
    expect(knows(2)).to.equal(true)
    registry.subjects.set('c', [{ id: 3, schema: record('c') }])
    await directory.refresh()
    expect(knows(3)).to.equal(true)
    expect(performance.now() - began).to.be.below(1_500)
  })

  it('reads once for all that ask meanwhile', async () => {
    await open()
    await Promise.all(Array.from({ length: 100 }, () => directory.refresh()))
    expect(registry.readings).to.equal(2)
  })

  it('asks once for an ID that nobody knows, and not for each record that has it', async () => {
    await open()
    await directory.prepare({ ids: new Set([9]) })
    for (let index = 0; index < 100; index++) await directory.prepare({ ids: new Set([9]) })
    expect(knows(9)).to.equal(false)
    // At the start, for new subjects, for new versions.
    expect(registry.readings).to.equal(3)
  })

  it('reads only what is new, not all the firmwares again', async () => {
    for (let index = 0; index < 300; index++) registry.subjects.set(`f${index}`, [{ id: 10 + index, schema: record(`f${index}`) }])
    await open()
    expect(registry.bodies).to.equal(301)
    registry.subjects.get('f7')?.push({ id: 400, schema: record('f7', 'x') })
    await directory.refresh()
    expect(knows(400)).to.equal(true)
    expect(registry.bodies).to.equal(303)
  })

  it('finds a new subject at once, though reading all of them takes long', async () => {
    for (let index = 0; index < 100; index++) registry.subjects.set(`f${index}`, [{ id: 10 + index, schema: record(`f${index}`) }])
    registry.latestMs = 30
    await open()
    await directory.refresh()
    for (let id = 200; id < 205; id++) {
      registry.subjects.set(`new${id}`, [{ id, schema: record(`new${id}`) }])
      const began = performance.now()
      await directory.refresh()
      expect(knows(id)).to.equal(true)
      expect(performance.now() - began).to.be.below(350)
    }
    registry.subjects.get('f7')?.push({ id: 400, schema: record('f7', 'x') })
    await directory.prepare({ ids: new Set([400]) })
    expect(knows(400)).to.equal(true)
  })

  it('finds a new subject soon though nobody asks, and reading all of them takes long', async () => {
    for (let index = 0; index < 100; index++) registry.subjects.set(`f${index}`, [{ id: 10 + index, schema: record(`f${index}`) }])
    registry.latestMs = 30
    await open({ refreshMs: 50 })
    registry.subjects.set('new', [{ id: 200, schema: record('new') }])
    // Reading all of them takes more than 3 s, and would not be done again within a minute.
    for (let turn = 0; turn < 100 && !knows(200); turn++) await new Promise((resolve) => setTimeout(resolve, 10))
    expect(knows(200)).to.equal(true)
  })

  it('takes an entry for what it is only under its own subject', async () => {
    registry.subjects.set('b', [
      { id: 1, schema: record('a') },
      { id: 2, schema: record('a', 'x') },
    ])
    await open()
    expect(directory.lookup(1)).to.deep.include({ tag: 'known' })
    expect(directory.lookup(2)).to.deep.equal({ tag: 'unknown' })
    expect(directory.ignored()).to.equal(2)
    expect(warnings[0]).to.include('it is the schema of \\"a\\", and counts under that subject only')
  })

  it('ignores what it cannot read, entry by entry, says so once, and goes on', async () => {
    registry.subjects.set('orders', [{ id: 5, schema: 'syntax = "proto3"; message Order { string id = 1; }', type: 'PROTOBUF' }])
    registry.subjects.set('json', [{ id: 6, schema: '{"type":"object"}', type: 'JSON' }])
    registry.subjects.set('broken', [{ id: 7, schema: '{"type"' }])
    registry.subjects.set('deep', [{ id: 8, schema: `${'['.repeat(100_000)}${']'.repeat(100_000)}` }])
    registry.subjects.set('odd', [{ id: 9, schema: '{"type":"record","name":"odd","fields":7}' }])
    registry.subjects.set('z', [{ id: 2, schema: record('z') }])
    await open()
    await directory.refresh()
    expect([knows(1), knows(2), knows(5)]).to.deep.equal([true, true, false])
    expect(warnings).to.have.length(5)
    expect(directory.ignored()).to.equal(5)
    expect(warnings.join()).to.include('PROTOBUF').and.include('broken version 1')
    expect(registry.bodies).to.equal(7)
  })

  it('goes on with the others if the registry has a problem with one subject', async () => {
    registry.subjects.set('b', [{ id: 2, schema: record('b') }])
    registry.failing.add('b')
    await open()
    expect([knows(1), knows(2)]).to.deep.equal([true, false])
    expect(warnings).to.have.length(1)
    registry.failing.clear()
    await directory.refresh()
    expect(knows(2)).to.equal(true)
  })

  it('does not forget what is deleted, and finds what was deleted before', async () => {
    registry.subjects.set('b', [{ id: 2, schema: record('b'), deleted: true }])
    registry.subjects.set('c', [
      { id: 3, schema: record('c'), deleted: true },
      { id: 4, schema: record('c', 'x') },
    ])
    await open()
    expect([2, 3, 4].map(knows)).to.deep.equal([true, true, true])
    registry.subjects.delete('a')
    registry.subjects.delete('c')
    await directory.refresh()
    expect([1, 2, 3, 4].map(knows)).to.deep.equal([true, true, true, true])
  })

  it('says that an ID was given to another schema, and takes it for neither', async () => {
    await open()
    registry.subjects.set('a', [{ id: 2, schema: record('a') }])
    registry.subjects.set('b', [{ id: 1, schema: record('b') }])
    await directory.refresh()
    expect(directory.lookup(1).tag).to.equal('ambiguous')
    expect(knows(2)).to.equal(true)
    await directory.refresh()
    expect(warnings.filter((each) => each.includes('different schemas'))).to.have.length(1)
  })

  it('waits while the registry is down, though it answered a moment ago', async () => {
    await open()
    registry.down = true
    let answered = false
    const prepared = directory.prepare({ ids: new Set([2]) }).then(() => {
      answered = true
    })
    await new Promise((resolve) => setTimeout(resolve, 1_500))
    expect(answered).to.equal(false)
    registry.subjects.set('b', [{ id: 2, schema: record('b') }])
    registry.down = false
    await prepared
    expect(knows(2)).to.equal(true)
  })

  it('looks again at once when the registry has answered another question after an outage', async () => {
    for (let index = 0; index < 100; index++) registry.subjects.set(`f${index}`, [{ id: 10 + index, schema: record(`f${index}`) }])
    registry.latestMs = 30
    await open()
    await directory.refresh()
    registry.down = true
    const looks = [directory.refresh(), directory.prepare({ ids: new Set([900]) })]
    await new Promise((resolve) => setTimeout(resolve, 2_500))
    registry.subjects.set('b', [{ id: 900, schema: record('b') }])
    registry.down = false
    while (directory.unansweredMs() > 0) await new Promise((resolve) => setTimeout(resolve, 10))
    const began = performance.now()
    await directory.refresh()
    expect(performance.now() - began).to.be.below(800)
    expect(knows(900)).to.equal(true)
    await Promise.all(looks)
  })

  it('waits no longer than its patience, counted from the beginning of the outage', async () => {
    await open({ patienceMs: 500 })
    registry.down = true
    const began = performance.now()
    await directory.prepare({ ids: new Set([2]) })
    expect(performance.now() - began).to.be.within(400, 3_000)
    const again = performance.now()
    for (let id = 3; id < 50; id++) await directory.prepare({ ids: new Set([id]) })
    expect(performance.now() - again).to.be.below(400)
    registry.down = false
    registry.subjects.set('b', [{ id: 60, schema: record('b') }])
    await directory.refresh()
    expect(knows(60)).to.equal(true)
  })

  it('keeps what it knows of a subject that cannot be read any more', async () => {
    await open()
    registry.subjects.set('b', [{ id: 2, schema: record('b') }])
    registry.failing.add('a')
    await directory.refresh()
    expect([knows(1), knows(2)]).to.deep.equal([true, true])
  })

  describe('with a memory', () => {
    const kept: RememberedSchema[] = []
    const memory: SchemaMemory = {
      recall: async () => kept,
      memorise: async (schemas) => void kept.push(...schemas),
    }

    beforeEach(() => kept.splice(0))

    it('knows at the next start what the registry has lost since', async () => {
      await open({ memory })
      await directory[Symbol.asyncDispose]()
      registry.subjects.clear()
      registry.subjects.set('b', [{ id: 2, schema: record('b') }])
      await open({ memory })
      expect([knows(1), knows(2)]).to.deep.equal([true, true])
      expect(kept.map(({ subject, id }) => `${subject} ${id}`)).to.deep.equal(['a 1', 'b 2'])
    })

    it('asks for the newest version only of subjects that are known from there', async () => {
      for (let index = 0; index < 50; index++)
        registry.subjects.set(`f${index}`, [
          { id: 2 * index + 10, schema: record(`f${index}`) },
          { id: 2 * index + 11, schema: record(`f${index}`, 'x') },
        ])
      await open({ memory })
      await directory[Symbol.asyncDispose]()
      registry.bodies = 0
      registry.subjects.get('f7')?.push({ id: 400, schema: record('f7', 'x', 'y') })
      await open({ memory })
      expect([10, 11, 108, 109, 24, 25, 400].map(knows)).to.deep.equal(Array(7).fill(true))
      expect(registry.bodies).to.equal(3)
    })

    it('does without it while it is away', async () => {
      const away = (): Promise<never> => Promise.reject(new ConnectorError('ECONNREFUSED', true, 'connecting'))
      await open({ memory: { recall: away, memorise: away } })
      expect(knows(1)).to.equal(true)
      expect(warnings).to.have.length(2)
    })
  })
})
