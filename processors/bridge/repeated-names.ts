/** A name that one of the samples has more than once. */
export interface RepeatedName {
  readonly sample: number
  readonly name: string
}

/**
 * Looks for names that are there twice: `JSON.parse` takes the last value, and nobody learns of the
 * others (RFC 8259, section 4, leaves open which counts).
 * @param text of valid JSON: one object, or an array of them if `array`
 */
export function repeatedNames(text: string, array: boolean): readonly RepeatedName[] {
  const found: RepeatedName[] = []
  const sampleDepth = array ? 2 : 1
  let depth = 0
  let sample = 0
  let names = new Set<string>()
  for (let at = 0; at < text.length; at++) {
    switch (text[at]) {
      case '{':
      case '[':
        if (++depth === sampleDepth) names = new Set()
        break
      case '}':
      case ']':
        depth--
        break
      case ',':
        if (depth === sampleDepth - 1) sample++
        break
      case '"': {
        const end = endOfString(text, at)
        if (depth === sampleDepth && isName(text, end)) {
          const name = JSON.parse(text.slice(at, end)) as string
          if (names.has(name)) found.push({ sample, name })
          names.add(name)
        }
        at = end - 1
      }
    }
  }
  return found
}

/** Index after the closing quotation mark. */
function endOfString(text: string, start: number): number {
  let at = start + 1
  while (at < text.length && text[at] !== '"') at += text[at] === '\\' ? 2 : 1
  return at + 1
}

function isName(text: string, end: number): boolean {
  let at = end
  while (text[at] === ' ' || text[at] === '\t' || text[at] === '\n' || text[at] === '\r') at++
  return text[at] === ':'
}
