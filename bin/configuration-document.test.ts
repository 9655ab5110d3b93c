import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { basename, join } from 'node:path'
import { expect } from 'chai'
import { parse } from 'yaml'
import { projectRoot } from '../schemas/files.ts'
import { loadConfig } from '../services/config.ts'
import { configurationSchema } from '../services/config-shape.ts'
import { configurationDocument } from './configuration-document.ts'

/** Every key that has a value of its own, with its default. */
function defaults(schema: ReturnType<typeof configurationSchema>, path = ''): readonly (readonly [string, unknown])[] {
  return Object.entries(schema.properties ?? {}).flatMap(([key, each]) => {
    const place = path === '' ? key : `${path}.${key}`
    const value = each as ReturnType<typeof configurationSchema>
    return value.properties === undefined ? [[place, value.default] as const] : defaults(value, place)
  })
}

describe('the reference of the configuration', () => {
  it('has a row for each key, with the default that holds without a file', () => {
    const { env: _, dialects, ...others } = loadConfig({}, undefined)
    // A service has them as files.
    const config = { ...others, dialects: dialects.map(({ path }) => basename(path, '.yaml')) }
    const document = configurationDocument()
    const all = defaults(configurationSchema())
    expect(all.map(([place]) => place)).to.include.members(['processors', 'bridge.rate_limit.burst', 'metrics.ports'])
    for (const [place, value] of all) {
      const used = place.split('.').reduce<unknown>((at, key) => (at as Record<string, unknown>)[key], config)
      expect(used, place).to.deep.equal(value)
      expect(document).to.match(new RegExp(`^\\| \`${place.replaceAll('.', '\\.')}\` \\|[^|]+\\| \`.+\` \\| \\S.+ \\|$`, 'm'))
    }
  })

  it('and the example before it is a configuration', () => {
    const [, example = ''] = /```yaml\n(.*?)```/s.exec(readFileSync(`${projectRoot}docs/configuration.md`, 'utf8')) ?? []
    const folder = mkdtempSync(join(tmpdir(), 'millrace-example-'))
    try {
      const path = join(folder, 'millrace.yaml')
      writeFileSync(path, example)
      const { processors } = parse(example) as { processors: readonly string[] }
      expect(loadConfig({}, path).processors).to.deep.equal(
        processors.map((entry) => (entry.startsWith('.') ? join(folder, entry) : entry)),
      )
    } finally {
      rmSync(folder, { recursive: true })
    }
  })
})
