import { readFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { expect } from 'chai'
import { projectRoot } from '../schemas/files.ts'
import { isObject } from '../schemas/json.ts'

/** Modules that a compiled file imports, and those that these import. */
function imports(file: string, found = new Map<string, readonly string[]>()): ReadonlyMap<string, readonly string[]> {
  if (found.has(file)) return found
  const named = [...readFileSync(file, 'utf8').matchAll(/^(?:import|export) (?:[^;'()=]*? from )?'([^']+)';$/gm)].map(
    ([, name]) => name as string,
  )
  found.set(file, named)
  for (const name of named.filter((each) => each.startsWith('.'))) imports(join(dirname(file), name), found)
  return found
}

describe('the door millrace/processor', () => {
  it('loads no library but that for Avro, and no code of a service', () => {
    const found = imports(join(projectRoot, 'dist/kit/processor.js'))
    expect(found.size).to.be.greaterThan(10)
    const libraries = [...found.values()].flat().filter((name) => !name.startsWith('.') && !name.startsWith('node:'))
    expect(new Set(libraries)).to.deep.equal(new Set(['avsc']))
    for (const file of found.keys()) expect(file).to.match(/\/dist\/(kit|processors|schemas)\//)
  })

  it('is where package.json says that it is', () => {
    const described: unknown = JSON.parse(readFileSync(join(projectRoot, 'package.json'), 'utf8'))
    const exported = isObject(described) && isObject(described.exports) ? described.exports['./processor'] : undefined
    expect(exported).to.deep.equal({ types: './dist/kit/processor.d.ts', default: './dist/kit/processor.js' })
  })

  it('gives what a processor and a process are declared with', async () => {
    const door = await import('./processor.ts')
    for (const name of [
      'defineProcessor',
      'defineProcess',
      'emit',
      'drop',
      'reject',
      'avroOutput',
      'avroSource',
      'readings',
      'readingFrames',
      'table',
    ])
      expect(door).to.have.property(name)
  })
})
