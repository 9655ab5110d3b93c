import { relative } from 'node:path'
import { createProcessor } from '../ops/new/create.ts'
import type { Kind } from '../ops/new/name.ts'
import { inSources } from '../ops/new/place.ts'
import { packageTypes, writeTypes } from '../ops/new/types.ts'
import { ConfigError, loadConfig } from '../services/config.ts'
import type { ConfigOption } from './command-line.ts'
import { print } from './print.ts'

/** `millrace new processor` and `millrace new process`. */
export async function create(kind: Kind, name: string, { config: file }: ConfigOption): Promise<number> {
  const { processors } = loadConfig(process.env, file)
  const created = createProcessor(kind, name, process.cwd(), processors)
  const folder = relative(process.cwd(), created.folder)
  print(
    ...created.files.map((path) => `wrote ${folder}/${path}`),
    '',
    ...(created.inSources
      ? ['next:', '  make generate unit', `then add ${name} to \`processors:\` in millrace.yaml`]
      : [
          'next:',
          `  cd ${folder}`,
          '  npm install',
          '  npm test',
          `then add ./${folder} to \`processors:\` in millrace.yaml (${folder}/README.md)`,
        ]),
  )
  return 0
}

/** `millrace generate`: the types of a package's schemas. */
export async function generateTypes(folder = '.', { check }: { readonly check?: true | undefined }): Promise<number> {
  const files = packageTypes(folder)
  if (inSources(folder)) throw new ConfigError("Millrace's own types are written by `make generate`; expected the folder of a package")
  const stale = files.filter(({ current }) => !current)
  if (check !== true) writeTypes(folder, stale)
  if (stale.length > 0)
    print(...stale.map(({ path }) => (check === true ? `${path} is not current: run \`millrace generate\`` : `wrote ${path}`)))
  return check === true && stale.length > 0 ? 1 : 0
}
