/**
 * The same characters that a terminal is not shown (processors/visible.ts): most of them are
 * invisible in a browser too, and some turn the direction of the text around them.
 */
const OBEYED = /[\p{Cc}\p{Cs}\u061c\u200b\u200e\u200f\u2028-\u202e\u2060-\u2069\ufeff\ufff9-\ufffb\u{e0000}-\u{e007f}]/gu

/**
 * Text that a stranger may have written, with these characters spelt out. Line ends stay.
 * @param {string} text
 * @returns {string}
 */
export function visible(text) {
  return text.replace(OBEYED, (found) =>
    found === '\n'
      ? found
      : Array.from({ length: found.length }, (_, at) => `\\u${found.charCodeAt(at).toString(16).padStart(4, '0')}`).join(''),
  )
}
