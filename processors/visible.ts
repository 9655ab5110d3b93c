/**
 * What a terminal obeys instead of showing it: C0 with ESC, DEL and C1 (ECMA-48), line and
 * paragraph separators, marks that turn the direction of text (Unicode TR 9; CVE-2021-42574),
 * invisible tags, and halves of surrogate pairs.
 */
const OBEYED = /[\p{Cc}\p{Cs}\u061c\u200b\u200e\u200f\u2028-\u202e\u2060-\u2069\ufeff\ufff9-\ufffb\u{e0000}-\u{e007f}]/gu

/**
 * One line of text that is safe to print on a terminal, even if a stranger wrote it: characters
 * that a terminal obeys are spelt out, as in JSON (`\u001b`).
 */
export function visible(text: string): string {
  return text.replace(OBEYED, spelt)
}

/** The same for text of several lines. */
export function visibleLines(text: string): string {
  return text.split('\n').map(visible).join('\n')
}

function spelt(found: string): string {
  let text = ''
  for (let at = 0; at < found.length; at++) text += `\\u${found.charCodeAt(at).toString(16).padStart(4, '0')}`
  return text
}
