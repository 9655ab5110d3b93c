import { readdirSync, readFileSync } from 'node:fs'
import { basename, join } from 'node:path'
import { expect } from 'chai'
import { projectRoot } from '../schemas/files.ts'

/** A module is what shares a name: device.c and device.h. */
function includes(folders: readonly string[]): ReadonlyMap<string, ReadonlySet<string>> {
  const modules = new Map<string, Set<string>>()
  for (const folder of folders) {
    for (const file of readdirSync(join(projectRoot, 'firmware', folder)).filter((name) => /\.[ch]$/.test(name))) {
      const module = basename(file).slice(0, -2)
      const known = modules.get(module) ?? new Set()
      modules.set(module, known)
      for (const [, named] of readFileSync(join(projectRoot, 'firmware', folder, file), 'utf8').matchAll(
        /^#include "(?:.*\/)?(\w+)\.h"$/gm,
      ))
        if (named !== undefined && named !== module) known.add(named)
    }
  }
  return modules
}

/** The first circle that a walk from any module comes upon. */
function circle(modules: ReadonlyMap<string, ReadonlySet<string>>): readonly string[] {
  const done = new Set<string>()
  const walk = (module: string, way: readonly string[]): readonly string[] => {
    if (way.includes(module)) return [...way.slice(way.indexOf(module)), module]
    if (done.has(module)) return []
    for (const next of modules.get(module) ?? []) {
      const found = walk(next, [...way, module])
      if (found.length > 0) return found
    }
    done.add(module)
    return []
  }
  for (const module of modules.keys()) {
    const found = walk(module, [])
    if (found.length > 0) return found
  }
  return []
}

describe('the C files of the programs on a host', () => {
  it('do not include one another in a circle', () => {
    const programs = [
      ['fleet', 'ports/posix'],
      ['device', 'ports/posix'],
    ]
    for (const folders of programs) expect(circle(includes(folders)), folders.join(', ')).to.deep.equal([])
  })

  it('would be found out if they did', () => {
    expect(
      circle(
        new Map([
          ['a', new Set(['b'])],
          ['b', new Set(['c'])],
          ['c', new Set(['b'])],
        ]),
      ),
    ).to.deep.equal(['b', 'c', 'b'])
  })
})
