import { readdirSync, readFileSync } from 'node:fs'
import { expect } from 'chai'
import { projectRoot } from '../schemas/files.ts'

/** A block of code of a page that says which file it is from, in a comment above it. */
const BLOCK = /^<!-- (\S+) -->\n```\w*\n(.*?)^```$/gms

const read = (path: string): string => readFileSync(`${projectRoot}${path}`, 'utf8')
const blocks = readdirSync(`${projectRoot}docs`)
  .filter((page) => page.endsWith('.md'))
  .flatMap((page) => [...read(`docs/${page}`).matchAll(BLOCK)].map(([, file = '', code = '']) => ({ page, file, code })))

describe('code in the documentation', () => {
  it('is that of the file that it names, word for word', () => {
    for (const { page, file, code } of blocks) expect(read(file), `${page}: a block of ${file}`).to.include(code)
  })

  it('shows the example of a processor: schema, decision, reasons and tests', () => {
    const shown = blocks.filter(({ page }) => page === 'processors.md').map(({ file }) => file)
    for (const file of ['frost-alert.avsc', 'processor.ts', 'reasons.ts', 'processor.test.ts', 'processor.pipeline.ts'])
      expect(shown).to.include(`examples/frost-alert/${file}`)
  })
})
