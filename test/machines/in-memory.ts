import type { Machine } from '../../ops/doctor/machine.ts'
import type { Tree } from './tree.ts'

/** A machine from a tree that is nowhere on a disk. */
export function inMemory(tree: Tree): Machine {
  const folders = new Map<string, Set<string>>()
  for (const path of Object.keys(tree)) {
    for (let at = path; at !== ''; at = parent(at)) {
      const names = folders.get(parent(at)) ?? new Set()
      folders.set(parent(at), names.add(at.slice(at.lastIndexOf('/') + 1)))
    }
  }
  const real = (path: string): string | undefined => {
    let at = ''
    for (const name of path.split('/').filter((part) => part !== '')) {
      const next = `${at}/${name}`
      const content = tree[next]
      const followed = typeof content === 'object' ? real(content.link) : next
      if (followed === undefined || (tree[followed] === undefined && !folders.has(followed))) return undefined
      at = followed
    }
    return at
  }
  const content = (path: string): string | undefined => {
    const at = real(path)
    const found = at === undefined ? undefined : tree[at]
    return typeof found === 'string' ? found : undefined
  }
  return {
    file(path) {
      const text = content(path)
      return text === undefined ? { tag: 'absent' } : { tag: 'text', text }
    },
    read: (path) => content(path)?.trim(),
    list(path) {
      const folder = real(path)
      return folder === undefined ? [] : [...(folders.get(folder) ?? [])].sort((a, b) => a.localeCompare(b, 'en', { numeric: true }))
    },
    real,
    space: () => undefined,
    run: () => Promise.resolve(undefined),
  }
}

function parent(path: string): string {
  return path.slice(0, path.lastIndexOf('/'))
}
