import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'

/** A part of a machine's /proc and /sys: content by path, or where a link leads. */
export type Tree = Readonly<Record<string, string | { readonly link: string }>>

/** A tree as a folder of its own, as a copy of a machine would be. */
export interface LaidOut extends Disposable {
  readonly root: string
}

export function layOut(tree: Tree): LaidOut {
  const root = mkdtempSync(join(tmpdir(), 'millrace-machine-'))
  for (const [path, content] of Object.entries(tree)) {
    const file = join(root, path)
    mkdirSync(dirname(file), { recursive: true })
    if (typeof content === 'string') writeFileSync(file, content)
    // The target is absolute on the machine, so relative here.
    else symlinkSync(join('../'.repeat(path.split('/').length - 2), content.link.slice(1)), file)
  }
  return { root, [Symbol.dispose]: () => rmSync(root, { recursive: true, force: true }) }
}
