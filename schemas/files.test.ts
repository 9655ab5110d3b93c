import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect } from 'chai'
import { readFirmwareFiles, readSchema, SchemaFileError } from './files.ts'

describe('firmware files of a deployment', () => {
  const hive = readSchema('firmware/hive-1').json as object
  const known = new Set(['temperature', 'humidity'])
  let folder: string

  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'millrace-files-'))
  })
  afterEach(() => rmSync(folder, { recursive: true }))

  const write = (name: string, content: unknown): string => {
    const path = join(folder, name)
    writeFileSync(path, typeof content === 'string' ? content : JSON.stringify(content))
    return path
  }
  const refused = (paths: readonly string[]): string => {
    try {
      readFirmwareFiles(paths, known)
    } catch (cause) {
      expect(cause).to.be.instanceOf(SchemaFileError)
      return String(cause)
    }
    throw new Error('expected it to be refused')
  }

  it('are read by their paths, or all of a folder by name, whatever the files are named', () => {
    const second = write('b.avsc', { ...hive, namespace: 'millrace.firmware.shed' })
    const first = write('a.avsc', hive)
    write('notes.txt', 'no schema')
    write('.a.avsc.swp.avsc', 'no schema either')
    for (const paths of [[first, second], [folder]])
      expect(readFirmwareFiles(paths, known).map(({ file, firmware }) => [file.path, firmware.id])).to.deep.equal([
        [first, 'hive-1'],
        [second, 'shed-1'],
      ])
  })

  it('are refused with their name and what was expected', () => {
    expect(refused([join(folder, 'none.avsc')])).to.match(/none\.avsc: ENOENT/)
    expect(refused([folder])).to.match(/expected at least one \.avsc file in the folder, got none/)
    expect(refused([write('text.avsc', 'hello')])).to.match(/text\.avsc: .*JSON/)
    expect(refused([write('other.avsc', { type: 'record', name: 'Other', namespace: 'x', fields: [] })])).to.match(
      /other\.avsc: name must be V<version>, not "Other"/,
    )
  })

  it('are refused if two have one name: which of them counts must not depend on their order', () => {
    const [one, other] = [write('a.avsc', hive), write('b.avsc', hive)]
    expect(refused([one, other])).to.include(`${other}: ${one} has millrace.firmware.hive.V1 too: expected it in one file`)
    expect(refused([one, one])).to.include(`${one} has millrace.firmware.hive.V1 too`)
  })
})
