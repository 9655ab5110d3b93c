import { readFileSync } from 'node:fs'
import { projectRoot } from '../schemas/files.ts'

/** What package-lock.json says of a package. */
export interface LockedPackage {
  readonly version?: string
  /** An expression of SPDX. Packages of before 2014 have something else. */
  readonly license?: unknown
  readonly dev?: boolean
}

/** Licences of what may be delivered with Apache-2.0: none asks anything of what uses it. */
const ACCEPTED: ReadonlySet<string> = new Set([
  '0BSD',
  'Apache-2.0',
  'BlueOak-1.0.0',
  'BSD-2-Clause',
  'BSD-2-Clause-Views',
  'BSD-3-Clause',
  'CC0-1.0',
  'ISC',
  'MIT',
])

/** Of packages whose package.json has no expression: what the licence in them says. */
const READ_BY_HAND: ReadonlyMap<string, string> = new Map([['tv4@1.3.0', 'CC0-1.0 OR MIT']])

/** A package that is delivered has a licence that nobody has accepted. */
export class LicenceError extends Error {}

/**
 * Whether an expression of SPDX lets us deliver: of `OR` one side is enough, of `AND` both must be
 * accepted.
 */
export function accepted(expression: string): boolean {
  const bare = expression.trim().replace(/^\(([^()]*)\)$/, '$1')
  if (bare.includes('(')) return false
  return bare.split(' OR ').some((side) => side.split(' AND ').every((licence) => ACCEPTED.has(licence.trim())))
}

/**
 * The packages that are delivered, by licence.
 * @throws LicenceError that names each package with a licence that is unknown or not accepted
 */
export function licencesOf(packages: Readonly<Record<string, LockedPackage>>): ReadonlyMap<string, readonly string[]> {
  const found = new Map<string, Set<string>>()
  const refused: string[] = []
  for (const [path, { version = '', license, dev = false }] of Object.entries(packages)) {
    if (path === '' || dev) continue
    const name = `${path.replace(/^.*node_modules\//, '')}@${version}`
    const licence = READ_BY_HAND.get(name) ?? license
    if (typeof licence !== 'string' || !accepted(licence)) refused.push(`${name}: ${JSON.stringify(licence)}`)
    else found.set(licence, (found.get(licence) ?? new Set()).add(name))
  }
  if (refused.length > 0) throw new LicenceError(`licences that are not accepted (bin/licences-document.ts): ${refused.join(', ')}`)
  return new Map([...found].sort(([a], [b]) => (a < b ? -1 : 1)).map(([licence, names]) => [licence, [...names].sort()]))
}

const HEAD = `<!-- Generated from package-lock.json by \`make generate\`. Do not edit. -->

# Licences of what is delivered

Millrace is Apache-2.0. With it come these npm packages, and, in the Debian package, Node.js with the licences of its own parts (\`/usr/share/doc/millrace/node.LICENSE\`). \`make check\` fails if a package
has a licence that is not in \`bin/licences-document.ts\`: only licences that ask nothing of what uses them are. \`make sbom\` prints the same packages as CycloneDX.

`

/** docs/licences.md. */
export function licencesDocument(): string {
  const { packages } = JSON.parse(readFileSync(`${projectRoot}package-lock.json`, 'utf8')) as {
    readonly packages: Readonly<Record<string, LockedPackage>>
  }
  const rows = [...licencesOf(packages)].map(([licence, names]) => `| ${licence} | ${names.length} | ${names.join(', ')} |\n`)
  return `${HEAD}| licence | packages | which |\n|---|---|---|\n${rows.join('')}`
}
