import { execFileSync, spawnSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { dirname, join, normalize } from 'node:path'
import { expect } from 'chai'
import { projectRoot } from '../schemas/files.ts'

const ROOMS = 'bin|ops|kit|services|connectors|processors|schemas|firmware|db|deploy|examples|test|docs'
/** A path of the repository in running text. It begins with a room; nothing is before that. */
const CITED = new RegExp(`(?<![\\w./-])(?:${ROOMS})/[\\w./<>*{},-]*`, 'g')
const LINK = /\]\(([^)\s]+)\)/g

interface Repository {
  /** Files that are in Git, or would be. */
  readonly files: ReadonlySet<string>
  /** Whether Git ignores this path: what a build leaves there is no file of the repository. */
  ignored(path: string): boolean
  text(path: string): string
}

/** What a cited path stands for: `<id>` and `*` for any name, `{a,b}` for each of these. */
function patterns(path: string): readonly RegExp[] {
  const braces = /\{([^}]*)\}/.exec(path)
  if (braces !== null) return (braces[1] as string).split(',').flatMap((name) => patterns(path.replace(braces[0], name)))
  const pattern = path
    .replace(/\/$/, '')
    .split(/(<[^>]*>|\*)/)
    .map((part, index) => (index % 2 === 1 ? '[^/]+' : part.replace(/[.+]/g, '\\$&')))
    .join('')
  return [new RegExp(`^${pattern}(/|$)`)]
}

const withoutStop = (path: string) => path.replace(/[.,{-]+$/, '')

function exists(path: string, { files, ignored }: Repository): boolean {
  return patterns(path).every((pattern) => [...files].some((file) => pattern.test(file))) || ignored(path)
}

/** As GitHub makes them of a page's headings. */
function anchors(markdown: string): ReadonlySet<string> {
  return new Set(
    [...markdown.matchAll(/^#+ (.*)$/gm)].map(([, heading]) =>
      (heading as string)
        .toLowerCase()
        .replace(/[^\p{L}\p{N}_ -]/gu, '')
        .replace(/ /g, '-'),
    ),
  )
}

/** Paths that a text names and that are not there, and links of a page that lead nowhere. */
function missing(page: string, repository: Repository): readonly string[] {
  const text = repository.text(page)
  const markdown = page.endsWith('.md')
  const prose = markdown ? text : text.replace(/^(?!\s*(?:\/\/|\/?\*)).*$/gm, '')
  const cited = [...prose.matchAll(CITED)].map(([path]) => withoutStop(path)).filter((path) => !exists(path, repository))
  if (!markdown) return cited
  const links = [...text.matchAll(LINK)].map(([, target]) => target as string).filter((target) => !/^[a-z]+:/.test(target))
  const dead = links.filter((target) => {
    const [path = '', anchor] = target.split('#')
    const file = path === '' ? page : normalize(join(dirname(page), path))
    if (!exists(file, repository)) return true
    return anchor !== undefined && !anchors(repository.text(file)).has(anchor)
  })
  return [...cited, ...dead]
}

const here: Repository = {
  files: new Set(
    execFileSync('git', ['ls-files', '--cached', '--others', '--exclude-standard', '--deduplicate'], {
      cwd: projectRoot,
      encoding: 'utf8',
    })
      .trim()
      .split('\n'),
  ),
  ignored: (path) => spawnSync('git', ['check-ignore', '-q', path], { cwd: projectRoot }).status === 0,
  text: (path) => readFileSync(join(projectRoot, path), 'utf8'),
}

/** History names what was there once, and tests make up names. */
const told = (path: string) =>
  path !== 'CHANGELOG.md' && (path.endsWith('.md') || (path.endsWith('.ts') && !/(^|\/)test\/|\.test\.ts$/.test(path)))

describe('paths that pages and comments name', () => {
  it('are there, and links lead somewhere', () => {
    const gone = [...here.files].filter(told).flatMap((page) => missing(page, here).map((path) => `${page}: ${path}`))
    expect(gone).to.deep.equal([])
  })

  it('are found out if they are not', () => {
    const texts: Record<string, string> = {
      'docs/page.md': [
        '# One: the `first` page',
        'services/store/loop.ts, services/store/ and services/gone.ts. services/{store,gone}/loop.ts; schemas/<id>.avsc',
        '[a](other.md#what-it-is) [b](other.md#what-it-was) [c](gone.md) [d](#one-the-first-page) [e](https://example.org/docs/x)',
        'firmware/build/demo services/*/loop.ts services/*/gone.ts',
      ].join('\n'),
      'docs/other.md': '## What it is\n',
      'services/store/loop.ts': "// As in services/gone.ts.\nconst folder = 'services/made-up.ts'\n",
      'schemas/a.avsc': '',
    }
    const repository: Repository = {
      files: new Set(Object.keys(texts)),
      ignored: (path) => path.startsWith('firmware/build/'),
      text: (path) => texts[path] as string,
    }
    expect(missing('docs/page.md', repository)).to.deep.equal([
      'services/gone.ts',
      'services/{store,gone}/loop.ts',
      'services/*/gone.ts',
      'other.md#what-it-was',
      'gone.md',
    ])
    expect(missing('services/store/loop.ts', repository)).to.deep.equal(['services/gone.ts'])
  })
})
