/** Since when something has been so. */
export interface Beginning {
  /** Milliseconds since 1970. */
  readonly since: number
  /** It was so at the first look already. */
  readonly orBefore: boolean
}

/**
 * Remembers since when parts have been away, as who looks sees it: a part that is away cannot say
 * it.
 */
export class Absences {
  private readonly known = new Set<string>()
  private readonly away = new Map<string, Beginning>()

  /** Since when it has been away; undefined if it is there. To be told of each look. */
  note(part: string, isAway: boolean, nowMs: number): Beginning | undefined {
    const first = !this.known.has(part)
    this.known.add(part)
    if (!isAway) {
      this.away.delete(part)
      return undefined
    }
    const beginning = this.away.get(part) ?? { since: nowMs, orBefore: first }
    this.away.set(part, beginning)
    return beginning
  }

  /** Nobody has looked for a while: what was away then may have been back in between. */
  forget(): void {
    this.known.clear()
    this.away.clear()
  }
}
