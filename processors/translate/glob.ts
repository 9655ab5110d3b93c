/** A longer text is no name that somebody meant. */
const MOST_CHARACTERS = 1_000

/**
 * Compiles a pattern in which `*` stands for anything, also for nothing. What it gives takes time
 * linear in the text, and case counts.
 */
export function compileGlob(pattern: string): (text: string) => boolean {
  const pieces = pattern.split('*')
  const first = pieces[0] ?? ''
  if (pieces.length === 1) return (text) => text === first
  const last = pieces.at(-1) ?? ''
  const between = pieces.slice(1, -1)
  return (text) => {
    if (text.length > MOST_CHARACTERS || text.length < first.length + last.length) return false
    if (!text.startsWith(first) || !text.endsWith(last)) return false
    let at = first.length
    const end = text.length - last.length
    for (const piece of between) {
      const found = text.indexOf(piece, at)
      if (found < 0 || found + piece.length > end) return false
      at = found + piece.length
    }
    return true
  }
}
