import { mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { expect } from 'chai'
import { projectRoot } from '../../schemas/files.ts'
import { withoutNpm } from './own-folder.ts'
import { freePort } from './service.ts'
import { address } from './stack-clients.ts'
import { comparable, tutorialSteps } from './tutorial.ts'
import { openTutorialShell, type TutorialShell } from './tutorial-shell.ts'

const PAGE = 'examples/analysis.md'
const SERVICES = ['bridge', 'standardise', 'translate', 'store', 'devices', 'continuity', 'watch']

/** The stack is there, and so is what is built. `make run` would build, and start another stack. */
const SUBSTITUTES: Readonly<Record<string, string>> = {
  '"$MILLRACE/deploy/build"': 'test -x "$MILLRACE/deploy/build"',
  'make -C "$MILLRACE" run DATA="$PWD/orchard.csv"': '"$MILLRACE/bin/millrace" demo "$PWD/orchard.csv"',
}
const env: NodeJS.ProcessEnv = {
  ...withoutNpm(),
  MILLRACE: projectRoot.replace(/\/$/, ''),
  // Without it another stack would be started. A relative one is in the sources.
  MILLRACE_LOCAL: resolve(projectRoot, address('MILLRACE_LOCAL')),
  PIP_DISABLE_PIP_VERSION_CHECK: '1',
}

describe('the page for analysts', () => {
  let folder: string
  let shell: TutorialShell

  before(async () => {
    folder = mkdtempSync(join(tmpdir(), 'millrace-analysis-'))
    const ports = Object.fromEntries(await Promise.all(SERVICES.map(async (name) => [name, await freePort()] as const)))
    writeFileSync(join(folder, 'millrace.yaml'), `metrics: { ports: ${JSON.stringify(ports)} }\n`)
    shell = openTutorialShell({ folder, env, substitutes: SUBSTITUTES, mostMs: 150_000 })
  })

  after(async function () {
    this.timeout(60_000)
    await shell?.end()
    rmSync(folder, { recursive: true, force: true })
  })

  it('works, word for word, from the question to the picture', async function () {
    this.timeout(400_000)
    const steps = tutorialSteps(readFileSync(join(projectRoot, PAGE), 'utf8'))
    expect(steps.filter((step) => step.tag === 'run' && step.shows !== undefined).length).to.be.greaterThan(4)
    for (const step of steps) {
      const where = `${PAGE}, line ${step.line}`
      if (step.tag === 'write') writeFileSync(join(folder, step.file), step.text)
      else if (step.tag === 'edit') throw new Error(`${where}: an edit, of which this page has none`)
      else {
        const said = await shell.run(step.commands, where, () => undefined)
        if (step.shows !== undefined) expect(comparable(said), where).to.include(comparable(step.shows))
      }
    }
    expect(statSync(join(folder, 'orchard.svg')).size).to.be.greaterThan(10_000)
  })
})
