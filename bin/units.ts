import { writeFileSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { unitFiles } from '../ops/units/units.ts'
import { projectRoot } from '../schemas/files.ts'
import { loadConfig } from '../services/config.ts'
import { declaredServices } from '../services/declared.ts'
import type { ConfigOption } from './command-line.ts'
import { print } from './print.ts'

interface UnitsOptions extends ConfigOption {
  readonly to?: string | undefined
  readonly list?: true | undefined
  readonly user: string
  readonly program?: string | undefined
}

/** `millrace units`: writes or prints units of systemd for the configured services. */
export async function units({ config: file, to, list, user, program }: UnitsOptions): Promise<number> {
  const services = await declaredServices(loadConfig(process.env, file))
  if (list === true) {
    print(...services.map(({ name }) => name))
    return 0
  }
  const files = unitFiles(services, {
    program: resolve(program ?? join(projectRoot, 'bin/millrace')),
    user,
    config: file === undefined ? undefined : resolve(file),
  })
  for (const { name, text } of files) {
    if (to === undefined) print(`# ${name}`, ...text.split('\n'))
    else writeFileSync(join(to, name), text)
  }
  if (to !== undefined) print(`wrote ${files.map(({ name }) => name).join(', ')} into ${to}`)
  return 0
}
