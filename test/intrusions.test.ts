import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect } from 'chai'
import { projectRoot } from '../schemas/files.ts'

const ATTEMPTS = 65
const read = (path: string): string => readFileSync(join(projectRoot, path), 'utf8')

/** A row of the table: the numbers of its attempts, what refuses them, and titles of tests. */
interface Row {
  readonly numbers: readonly number[]
  readonly refusedBy: string
  readonly tests: readonly (readonly [file: string, title: string])[]
}

function rowOf(line: string): Row {
  const [numbers = '', , refusedBy = '', tests = ''] = line.replace(/^\| | \|$/g, '').split(' | ')
  const [first = 0, last = first] = numbers.split('–').map(Number)
  return {
    numbers: Array.from({ length: last - first + 1 }, (_, index) => first + index),
    refusedBy,
    tests: tests.split('<br>').map((each) => {
      const [, file = '', title = ''] = /^`([^`]+)`: (.*)$/.exec(each) ?? []
      return [file, title] as const
    }),
  }
}

describe('docs/intrusions.md', () => {
  const rows = [...read('docs/intrusions.md').matchAll(/^\| \d.*$/gm)].map(([line]) => rowOf(line))

  it('has every attempt once, in order, with what refuses it', () => {
    expect(rows.flatMap(({ numbers }) => numbers)).to.deep.equal(Array.from({ length: ATTEMPTS }, (_, index) => index + 1))
    for (const { numbers, refusedBy } of rows) expect(refusedBy, String(numbers)).to.not.equal('')
  })

  it('names tests that there are, by their titles', () => {
    for (const { numbers, tests } of rows) {
      expect(tests, String(numbers)).to.not.be.empty
      for (const [file, title] of tests) {
        expect(file, String(numbers)).to.match(/\.test\.ts$/)
        expect(title.length, String(numbers)).to.be.above(0)
        expect(
          ["'", '`', '"'].some((quote) => read(file).includes(`it(${quote}${title}${quote}`)),
          `${numbers}: ${file} has a test called "${title}"`,
        ).to.equal(true)
      }
    }
  })
})
