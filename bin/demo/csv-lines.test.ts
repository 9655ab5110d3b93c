import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect } from 'chai'
import fc from 'fast-check'
import { firstLine, parseHeader, wholeLines } from './csv-lines.ts'

describe('the lines of a file', () => {
  let directory: string
  let path: string

  beforeEach(() => {
    directory = mkdtempSync(join(tmpdir(), 'millrace-csv-'))
    path = join(directory, 'file.csv')
  })

  afterEach(() => rmSync(directory, { recursive: true }))

  it('name their columns, quoted or not', () => {
    expect(parseHeader('Date,"Tag number", temperature ,humidity\r')).to.deep.equal(['Date', 'Tag number', 'temperature', 'humidity'])
  })

  it('come whole, whatever the size of the chunks', async () => {
    const line = fc.stringMatching(/^[a-z0-9,é]{0,12}$/)
    await fc.assert(
      fc.asyncProperty(
        fc.array(line),
        fc.constantFrom('\n', '\r\n'),
        fc.boolean(),
        fc.integer({ min: 1, max: 40 }),
        async (lines, end, ended, chunkBytes) => {
          writeFileSync(path, lines.join(end) + (ended ? end : ''))
          let read = ''
          for await (const chunk of wholeLines(path, chunkBytes)) {
            expect(chunk.at(-1)).to.equal(0x0a)
            read += chunk.toString('latin1')
          }
          const found = Buffer.from(read, 'latin1').toString('utf8').split(/\r?\n/).slice(0, -1)
          expect(found).to.deep.equal(lines.filter((each) => each !== ''))
        },
      ),
      { numRuns: 50 },
    )
  })

  it('begin with the header', async () => {
    writeFileSync(path, '\nDate,Tag\n1,2\n')
    expect(await firstLine(path)).to.equal('Date,Tag')
    writeFileSync(path, '')
    expect(await firstLine(path)).to.equal('')
  })
})
