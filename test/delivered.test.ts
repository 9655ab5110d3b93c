import { execFileSync, spawnSync } from 'node:child_process'
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect } from 'chai'
import { projectRoot } from '../schemas/files.ts'

/** It asks the library for something that depends on a generated header. */
const PROGRAM = `
#include "millrace/frame.h"
#include "hive_1.h"
#include <stdio.h>

int main(void) {
  printf("%d\\n", millrace_frame_least_payload(&hive_1_schema));
  return 0;
}
`

describe('what is delivered beside the packages', function () {
  this.timeout(60_000)
  let folder: string

  before(() => {
    folder = mkdtempSync(join(tmpdir(), 'millrace-delivered-'))
  })

  after(() => rmSync(folder, { recursive: true, force: true }))

  const archive = (where: string): string => {
    mkdirSync(join(folder, where))
    const env = { ...process.env, SOURCE_DATE_EPOCH: '1790000000' }
    return execFileSync(`${projectRoot}deploy/firmware-archive`, [join(folder, where)], { env, encoding: 'utf8' }).trim()
  }

  it('is the firmware library, in the same bytes in any folder, and a program compiles against it by the manual', () => {
    const path = archive('one')
    expect(readFileSync(path).equals(readFileSync(archive('two')))).to.equal(true)
    execFileSync('tar', ['-xzf', path, '--strip-components=1'], { cwd: folder })
    writeFileSync(join(folder, 'device.c'), PROGRAM)
    const manual = readFileSync(`${projectRoot}docs/install.md`, 'utf8')
    const build = /^ {4}(cc .* && ar .*)$/m.exec(manual)?.[1] ?? 'false'
    const built = spawnSync(
      'sh',
      ['-ec', `${build}; cc -std=c99 -Wall -Werror -Iinclude -Igenerated device.c libmillrace.a -o device; ./device`],
      {
        cwd: folder,
        encoding: 'utf8',
      },
    )
    expect([built.status, built.stderr]).to.deep.equal([0, ''])
    expect(built.stdout).to.match(/^\d+\n$/)
  })

  it('is a list of its parts, without what only develops with us, and the same each time', () => {
    const list = (): string =>
      execFileSync(`${projectRoot}deploy/sbom`, {
        encoding: 'utf8',
        maxBuffer: 1e8,
        env: { ...process.env, SOURCE_DATE_EPOCH: '1790000000' },
      })
    const first = list()
    expect(first).to.equal(list())
    const { bomFormat, components } = JSON.parse(first) as { bomFormat: string; components: readonly { readonly name: string }[] }
    const names = components.map(({ name }) => name)
    expect(bomFormat).to.equal('CycloneDX')
    expect(names).to.include.members(['kafkajs', 'mqtt', 'pg']).and.not.include('mocha')
  })
})
