import { mkdirSync, mkdtempSync, rmSync, unlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { expect } from 'chai'
import { type DialectEntry, dialectEntries } from './dialect-entries.ts'
import { type Dialects, openDialects } from './dialects.ts'

const dialect = (name: string, version = 1, topic = `${name}/{device}`): string => `
dialect: ${name}
version: ${version}
payload: json
topics: ["${topic}"]
samples:
  - quantities: { temperature: { path: "$.t" } }
`

describe('the dialects of a configuration', () => {
  let folder: string
  let dialects: Dialects | undefined
  let problems: (string | null)[]
  let logged: string[]

  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'millrace-dialects-'))
    problems = []
    logged = []
  })

  afterEach(async () => {
    await dialects?.[Symbol.asyncDispose]()
    dialects = undefined
    rmSync(folder, { recursive: true })
  })

  const write = (file: string, text: string): string => {
    const path = join(folder, file)
    writeFileSync(path, text)
    return path
  }

  async function open(...entries: readonly (string | DialectEntry)[]): Promise<Dialects> {
    const note = (message: string): void => void logged.push(message)
    dialects = await openDialects({
      config: { dialects: entries.map((entry) => (typeof entry === 'string' ? { path: entry, site: {} } : entry)) },
      log: { info: note, warn: note, error: note },
      problem: (what) => void problems.push(what),
      lookMs: 5,
    })
    return dialects
  }

  const loaded = (): readonly string[] => (dialects?.current() ?? []).map(({ name, version }) => `${name}@${version}`)

  async function until(holds: () => boolean): Promise<void> {
    for (let tries = 0; tries < 400 && !holds(); tries++) await delay(5)
    expect(holds()).to.equal(true)
  }

  it('of a folder that take fixed topics come before those that take any: ESPHome took the topics of Home Assistant', async () => {
    write('esphome.yaml', dialect('esphome', 1, '{device}/sensor/{object}/state'))
    write('ha.yaml', dialect('ha', 1, 'homeassistant/sensor/{device}/state'))
    write('rest.yaml', dialect('rest', 1, 'homeassistant/{device...}'))
    write('a.yaml', dialect('a', 1, '{device...}'))
    const found = await open(folder)
    expect(loaded()).to.deep.equal(['ha@1', 'rest@1', 'esphome@1', 'a@1'])
    expect(found.find('homeassistant/sensor/scale/state')?.dialect.name).to.equal('ha')
    expect(found.find('node/sensor/scale/state')?.dialect.name).to.equal('esphome')
  })

  it("with the name of the standard one takes its place: a deployment's own millrace-json was a problem for ever", async () => {
    write('own.yaml', dialect('millrace-json'))
    await open(...dialectEntries(folder, './'))
    expect(loaded()).to.deep.equal(['millrace-json@1'])
    expect(problems).to.deep.equal([])
  })

  it('are in the order of the configuration, and of the names of files in a folder', async () => {
    mkdirSync(join(folder, 'own'))
    write('own/b.yaml', dialect('bee'))
    write('own/a.yml', dialect('ant'))
    write('own/readme.md', 'no dialect')
    write('own/.hidden.yaml', 'no dialect')
    const cow = write('cow.yaml', dialect('cow'))
    await open(cow, join(folder, 'own'))
    expect(loaded()).to.deep.equal(['cow@1', 'ant@1', 'bee@1'])
    expect(problems).to.deep.equal([])
  })

  it('take a topic: the first that does, of several', async () => {
    const [one, two] = [write('one.yaml', dialect('one', 1, 'x/{device}')), write('two.yaml', dialect('two', 1, '{a}/{device}'))]
    const { find } = await open(one, two).then((opened) => ({ find: opened.find.bind(opened) }))
    expect(find('x/hive')?.dialect.name).to.equal('one')
    expect({ ...find('y/hive')?.captures }).to.deep.equal({ a: 'y', device: 'hive' })
    expect(find('y/hive')?.dialect.name).to.equal('two')
    expect(find('y/hive/state')).to.equal(undefined)
    expect(find('y/hive/state')).to.equal(undefined)
  })

  it("have the site's own topics in place of theirs", async () => {
    const path = write('one.yaml', dialect('one'))
    const { find } = await open({ path, site: { topics: ['home/{device}/up'] } }).then((opened) => ({ find: opened.find.bind(opened) }))
    expect(find('home/hive/up')?.dialect.name).to.equal('one')
    expect(find('one/hive')).to.equal(undefined)
  })

  it('hold as soon as their file is corrected; one that cannot be used is as if it had not been changed', async () => {
    const path = write('one.yaml', dialect('one'))
    await open(path)
    let changes = 0
    dialects?.onChange(() => changes++)
    const [first] = dialects?.current() ?? []
    write('one.yaml', dialect('one', 2).replace('path', 'paht'))
    await until(() => problems.length === 1)
    expect(problems[0]).to.match(/one\.yaml: .*paht.*; version 1 goes on as it was$/s)
    expect(dialects?.current()).to.deep.equal([first])
    expect(dialects?.find('one/hive')?.dialect).to.equal(first)
    await delay(30)
    expect([problems.length, changes]).to.deep.equal([1, 0])
    write('one.yaml', dialect('one', 2, 'two/{device}'))
    await until(() => changes === 1)
    expect([loaded(), problems.at(-1)]).to.deep.equal([['one@2'], null])
    expect(dialects?.find('one/hive')).to.equal(undefined)
    expect(dialects?.find('two/hive')?.dialect.version).to.equal(2)
    expect(logged).to.deep.equal(['dialects', 'dialects cannot be used', 'every dialect can be used again', 'dialects have changed'])
  })

  it('come and go with the files of a folder, and stay if a file of its own is gone', async () => {
    mkdirSync(join(folder, 'own'))
    const [cow, ant] = [write('cow.yaml', dialect('cow')), write('own/ant.yaml', dialect('ant'))]
    await open(cow, join(folder, 'own'))
    write('own/bee.yaml', dialect('bee'))
    await until(() => loaded().join() === 'cow@1,ant@1,bee@1')
    unlinkSync(ant)
    await until(() => loaded().join() === 'cow@1,bee@1')
    unlinkSync(cow)
    await until(() => problems.length === 1)
    expect(problems[0]).to.match(/cow\.yaml: there is no such file or folder any more; what it had goes on$/)
    rmSync(join(folder, 'own'), { recursive: true })
    await until(() => problems.length === 2)
    expect(loaded()).to.deep.equal(['cow@1', 'bee@1'])
  })

  it('that cannot be read are named, and end nothing', async () => {
    // A path below a file, as if the folder had been replaced.
    const one = write('one.yaml', dialect('one'))
    await open(join(one, 'below'), one)
    expect(loaded()).to.deep.equal(['one@1'])
    expect(problems[0]).to.match(/one\.yaml\/below: ENOTDIR: .*; what it had goes on$/)
  })

  it('without which a service begins are named, and are there once they can be used', async () => {
    const [one, two] = [write('one.yaml', 'dialect: ['), write('two.yaml', dialect('two'))]
    await open(one, two)
    expect(loaded()).to.deep.equal(['two@1'])
    expect(problems[0]).to.match(/one\.yaml: /)
    write('one.yaml', dialect('one'))
    await until(() => loaded().join() === 'one@1,two@1')
    expect(problems.at(-1)).to.equal(null)
  })

  it('have names of their own: the second of a name is left out', async () => {
    const [one, two] = [write('a.yaml', dialect('one', 1)), write('b.yaml', dialect('one', 2))]
    await open(one, two)
    expect(loaded()).to.deep.equal(['one@1'])
    expect(problems[0]).to.match(/b\.yaml: there is another dialect one, in .*a\.yaml: expected a name of its own$/)
  })

  it('may be used twice, each with topics of its own', async () => {
    const path = write('one.yaml', dialect('one'))
    await open(path, { path, site: { topics: ['other/{device}'] } })
    expect(loaded()).to.deep.equal(['one@1', 'one@1'])
    expect(dialects?.find('other/hive')).to.not.equal(undefined)
    expect(problems).to.deep.equal([])
  })
})
