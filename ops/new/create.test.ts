import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, realpathSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect } from 'chai'
import { projectRoot } from '../../schemas/files.ts'
import { ConfigError } from '../../services/config.ts'
import { createProcessor } from './create.ts'
import { portOf } from './name.ts'
import { inSources, millraceDependency } from './place.ts'
import { packageTypes, writeTypes } from './types.ts'

describe('a new processor', () => {
  let folder: string

  beforeEach(() => {
    folder = realpathSync(mkdtempSync(join(tmpdir(), 'millrace-new-')))
  })

  afterEach(() => {
    rmSync(folder, { recursive: true })
  })

  const json = (path: string): Record<string, unknown> => JSON.parse(readFileSync(join(folder, path), 'utf8')) as Record<string, unknown>

  it('is a package that depends on this Millrace, with its schema, the types of it, and a test', () => {
    const { inSources, files } = createProcessor('processor', 'frost-watch', folder, ['standardise'])
    expect(inSources).to.equal(false)
    expect(files).to.deep.equal([
      '.gitignore',
      'README.md',
      'frost-watch.avsc',
      'generated/frost-watch.ts',
      'package.json',
      'processor.test.ts',
      'processor.ts',
      'reasons.ts',
      'tsconfig.json',
    ])
    expect(json('frost-watch/package.json')).to.deep.include({
      name: 'frost-watch-processor',
      dependencies: { millrace: `file:${projectRoot.replace(/\/$/, '')}` },
    })
    expect(packageTypes(join(folder, 'frost-watch')).map(({ path, current }) => [path, current])).to.deep.equal([
      ['generated/frost-watch.ts', true],
    ])
  })

  it('may be a business process, with a table of its own', () => {
    expect(createProcessor('process', 'frost-log', folder, []).files).to.include.members(['migrations/0001-frost-log.sql', 'process.ts'])
    expect(readFileSync(join(folder, 'frost-log/process.ts'), 'utf8')).to.include('INSERT INTO frost_log AS')
  })

  it('is refused with the name that cannot be used', () => {
    for (const name of [
      '',
      'Frost',
      'frost_watch',
      '-frost',
      'frost-',
      'frost--watch',
      '1frost',
      '../frost',
      'a/b',
      'frost watch',
      'é',
      'a'.repeat(41),
    ])
      expect(() => createProcessor('processor', name, folder, []), name).to.throw(ConfigError, JSON.stringify(name))
    for (const name of ['standardise', 'devices', 'bridge', 'store', 'continuity'])
      expect(() => createProcessor('process', name, folder, []), name).to.throw(ConfigError, "a service of Millrace's own")
    expect(() => createProcessor('processor', 'frost-watch', folder, ['/elsewhere/frost-watch'])).to.throw(
      ConfigError,
      '/elsewhere/frost-watch',
    )
    expect(readdirSync(folder)).to.deep.equal([])
  })

  it('is refused as a process whose table could not be created, for a word of SQL or a table of Millrace itself', () => {
    for (const [name, why] of [
      ['user', 'a word of SQL'],
      ['current-date', 'a word of SQL'],
      ['alert-rules', 'has a table or view alert_rules'],
      ['deployments', 'has a table or view deployments'],
    ] as const)
      expect(() => createProcessor('process', name, folder, []), name).to.throw(ConfigError, why)
    expect(readdirSync(folder)).to.deep.equal([])
    expect(createProcessor('processor', 'user', folder, []).files).to.include('processor.ts')
  })

  it('may be in the configuration already, by whichever path', () => {
    symlinkSync(folder, join(folder, 'link'))
    for (const [name, entry] of [
      ['frost-watch', join(folder, 'frost-watch')],
      ['frost-log', join(folder, 'link', 'frost-log')],
    ] as const)
      expect(createProcessor('processor', name, folder, [entry]).files).to.include('processor.ts')
  })

  it('overwrites no folder, nor a file of that name', () => {
    mkdirSync(join(folder, 'frost-watch'))
    writeFileSync(join(folder, 'frost-watch', 'processor.ts'), 'mine')
    expect(() => createProcessor('processor', 'frost-watch', folder, [])).to.throw(ConfigError, `${folder}/frost-watch is there already`)
    expect(readFileSync(join(folder, 'frost-watch', 'processor.ts'), 'utf8')).to.equal('mine')
    expect(readdirSync(join(folder, 'frost-watch'))).to.deep.equal(['processor.ts'])
    writeFileSync(join(folder, 'frost-log'), '')
    expect(() => createProcessor('process', 'frost-log', folder, [])).to.throw(ConfigError, 'is there already')
  })

  it('depends on the version that the package around it names, and not on a path that is another one from there', () => {
    const around = (millrace: string): string => {
      writeFileSync(join(folder, 'package.json'), JSON.stringify({ dependencies: { millrace } }))
      return millraceDependency(join(folder, 'frost-watch'))
    }
    expect(around('^1.2.3')).to.equal('^1.2.3')
    for (const path of [
      'file:../millrace-0.1.0.tgz',
      'https://example.org/millrace.tgz',
      'git+ssh://example.org/millrace',
      'someone/millrace',
    ])
      expect(around(path), path).to.equal(`file:${projectRoot.replace(/\/$/, '')}`)
    writeFileSync(join(folder, 'package.json'), 'no JSON')
    expect(millraceDependency(join(folder, 'frost-watch'))).to.match(/^file:/)
  })

  it('is a folder of processors/ in the sources, and nowhere else', () => {
    expect(inSources(projectRoot)).to.equal(true)
    expect(inSources(join(projectRoot, 'processors', 'devices'))).to.equal(true)
    expect(inSources(folder)).to.equal(false)
  })

  it('has a port of its own', () => {
    const ports = ['frost-watch', 'frost-log', 'swarm-watch'].map(portOf)
    expect(new Set(ports).size).to.equal(3)
    for (const port of ports) expect(port).to.be.within(9500, 9999)
  })
})

describe("the types of a package's schemas", () => {
  let folder: string

  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'millrace-types-'))
  })

  afterEach(() => {
    rmSync(folder, { recursive: true })
  })

  const schema = (name: string): string => JSON.stringify({ type: 'record', name, fields: [{ name: 'at', type: 'long' }] })

  it('are written beside each schema, once, and again when it changes', () => {
    mkdirSync(join(folder, 'more'))
    mkdirSync(join(folder, 'node_modules'))
    for (const path of ['a.avsc', 'more/b.avsc', 'node_modules/c.avsc']) writeFileSync(join(folder, path), schema('Alert'))
    const stale = (): readonly string[] => packageTypes(folder).flatMap(({ path, current }) => (current ? [] : [path]))
    expect(stale()).to.deep.equal(['generated/a.ts', 'more/generated/b.ts'])
    writeTypes(folder, packageTypes(folder))
    expect(stale()).to.deep.equal([])
    expect(readFileSync(join(folder, 'generated/a.ts'), 'utf8')).to.include("import type { AvroSchema } from 'millrace/processor'")
    writeFileSync(join(folder, 'a.avsc'), schema('Warning'))
    expect(stale()).to.deep.equal(['generated/a.ts'])
    expect(existsSync(join(folder, 'node_modules/generated'))).to.equal(false)
  })

  it('are refused with the file that is no schema', () => {
    writeFileSync(join(folder, 'a.avsc'), '{')
    expect(() => packageTypes(folder)).to.throw(Error, 'a.avsc: ')
    writeFileSync(join(folder, 'a.avsc'), '"string"')
    expect(() => packageTypes(folder)).to.throw(Error, 'a.avsc: expected a record')
    expect(() => packageTypes(join(folder, 'nowhere'))).to.throw(ConfigError, 'nowhere')
  })
})
