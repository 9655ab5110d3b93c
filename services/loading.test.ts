import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect } from 'chai'
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
    expect(refusal).to.be.instanceOf(Error).with.property('message', `${path}/processor.js: expected an export named processor`)
  })
})
