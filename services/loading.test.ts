import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { basename, dirname, join } from 'node:path'
import { expect } from 'chai'
import { ConfigError } from './config.ts'
import { requireProcessors } from './declared.ts'
import { loadProcessor } from './loading.ts'

describe('processors', () => {
  let folder: string

  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'millrace-declared-'))
  })

  afterEach(() => {
    rmSync(folder, { recursive: true })
  })

  it('are known by name: those that come with Millrace, and the ledger of frames', () => {
    expect(() => requireProcessors(['standardise', 'translate', 'devices', 'continuity'])).to.not.throw()
  })

  it('are refused by name if there are none', () => {
    for (const name of ['nosuch', '../processors/standardise', 'constructor', '', 'bridge', 'store'])
      expect(() => requireProcessors(['standardise', name]), name).to.throw(Error, `there is no processor "${name}": expected `)
  })

  it('are refused by path with the files that were looked for', () => {
    const alert = join(folder, 'frost-alert')
    expect(() => requireProcessors([alert])).to.throw(
      Error,
      `there is no processor "${alert}": expected ${alert}/processor.js or ${alert}/process.js`,
    )
  })

  it('are refused if they have the name of another service', () => {
    for (const name of ['standardise', 'bridge', 'store', 'continuity']) {
      const path = join(folder, name)
      mkdirSync(path)
      writeFileSync(join(path, 'processor.js'), 'export const processor = {}')
      expect(() => requireProcessors(['standardise', path]), name).to.throw(Error, `there is another service of the name ${name}`)
    }
  })

  it('are refused if their file exports no such thing', async () => {
    const path = join(folder, 'half-made')
    mkdirSync(path)
    writeFileSync(join(folder, 'package.json'), '{ "type": "module" }')
    writeFileSync(join(path, 'processor.js'), 'export const nothing = 1')
    const refusal = await loadProcessor(path).catch((cause: unknown) => cause)
    expect(refusal)
      .to.be.instanceOf(Error)
      .with.property('message', `${path}/processor.js: expected an export named processor or businessProcess`)
  })

  describe('in a package of their own', () => {
    const PROCESSOR = "export const processor = { from: { topic: 'x' }, to: {}, needs: [], reasons: {}, handle: () => [] }"
    const PROCESS = "export const businessProcess = { from: { topic: 'x' }, database: 'app', needs: [], reasons: {} }"

    /** Writes files of a package, by path. */
    function write(files: Readonly<Record<string, string>>): string {
      const root = join(folder, 'frost-watch')
      for (const [path, text] of Object.entries(files)) {
        mkdirSync(dirname(join(root, path)), { recursive: true })
        writeFileSync(join(root, path), text)
      }
      return root
    }

    it('are found in dist/ of the package, at the same place as in the package', async () => {
      const root = write({
        'package.json': '{ "type": "module" }',
        'dist/processor.js': PROCESSOR,
        'more/frost-log/process.ts': '',
        'dist/more/frost-log/process.js': PROCESS,
      })
      expect((await loadProcessor(root)).name).to.equal('frost-watch')
      expect(await loadProcessor(join(root, 'more/frost-log'))).to.deep.include({ name: 'frost-log', kind: 'process' })
    })

    it('are found where package.json says, whatever the file is named', async () => {
      const root = write({
        'package.json': '{ "type": "module", "main": "./lib/index.js" }',
        'lib/index.js': PROCESS,
        'dist/processor.js': '',
      })
      expect((await loadProcessor(root)).kind).to.equal('process')
      write({
        'package.json': '{ "type": "module", "main": "no.js", "exports": { ".": { "import": "./build/x.js" } } }',
        'build/x.js': PROCESSOR,
      })
      expect((await loadProcessor(root)).kind).to.equal('processor')
      write({ 'package.json': '{ "type": "module", "main": "./no.js" }' })
      expect(() => requireProcessors([root])).to.throw(ConfigError, `expected ${root}/no.js`)
    })

    it('bring migrations of their own, if they are business processes', async () => {
      const root = write({ 'package.json': '{ "type": "module" }', 'dist/process.js': PROCESS, 'migrations/0001-a.sql': '' })
      expect(await loadProcessor(root)).to.deep.include({ migrations: join(root, 'migrations') })
    })

    it('are refused with where to name them, if they are in the current directory and in no configuration', () => {
      const root = write({ 'package.json': '{ "type": "module" }', 'processor.ts': '' })
      const before = process.cwd()
      process.chdir(dirname(root))
      try {
        expect(() => requireProcessors([basename(root)])).to.throw(ConfigError, `add ./${basename(root)}, which is here, to that list`)
      } finally {
        process.chdir(before)
      }
    })

    it('are refused with what is left to do: build, install, or mend package.json', async () => {
      const root = write({ 'package.json': '{ "type": "module" }', 'processor.ts': '' })
      expect(() => requireProcessors([root])).to.throw(ConfigError, `${root} is not built: run \`npm run build\` there`)
      write({ 'dist/processor.js': "import 'nothing-of-that-name'" })
      const refusal = await loadProcessor(root).catch((cause: unknown) => cause)
      expect(refusal).to.be.instanceOf(ConfigError)
      expect(String(refusal)).to.include('run `npm install` in its package').and.include('nothing-of-that-name')
      write({ 'package.json': '{' })
      expect(() => requireProcessors([root])).to.throw(ConfigError, `${root}/package.json: `)
    })
  })
})
