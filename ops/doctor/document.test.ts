import { readFileSync } from 'node:fs'
import { expect } from 'chai'
import { projectRoot } from '../../schemas/files.ts'
import { RULES } from './rules/rules.ts'

describe('docs/bare-metal.md', () => {
  const page = readFileSync(`${projectRoot}docs/bare-metal.md`, 'utf8')

  it('has every rule of doctor with its reason, in their order, and no other', () => {
    for (const [area, rules] of Object.entries(RULES)) {
      const section = page.split(`\n## ${area}\n`)[1]?.split('\n## ')[0] ?? ''
      const rows = [...section.matchAll(/^\| `([a-z-]+)` \| (.*) \|$/gm)].map(([, id, why]) => [id, why])
      expect(rows, area).to.deep.equal(rules.map(({ id, why }) => [id, why]))
    }
  })

  it('gives each rule a name of its own', () => {
    const ids = Object.values(RULES).flatMap((rules) => rules.map(({ id }) => id))
    expect(new Set(ids).size).to.equal(ids.length)
  })
})
