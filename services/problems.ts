import type { Clock } from '../connectors/clock.ts'

/** What is wrong with a service, by part, and since when. */
export class Problems {
  private readonly clock: Pick<Clock, 'nowMs'>
  private readonly redact: (text: string) => string
  private readonly now = new Map<string, { readonly text: string; readonly sinceMs: number }>()

  /** @param redact takes secrets out of what is said */
  constructor(clock: Pick<Clock, 'nowMs'>, redact: (text: string) => string) {
    this.clock = clock
    this.redact = redact
  }

  /** Says what is wrong with a part; null if nothing is. */
  set(part: string, problem: string | null): void {
    if (problem === null) this.now.delete(part)
    else this.now.set(part, { text: this.redact(problem), sinceMs: this.now.get(part)?.sinceMs ?? this.clock.nowMs() })
  }

  get none(): boolean {
    return this.now.size === 0
  }

  /** What is wrong with a part; undefined if nothing is. */
  of(part: string): string | undefined {
    return this.now.get(part)?.text
  }

  /** What /health answers: what is wrong, and since when, each by part. */
  shown(): { readonly ok: boolean; readonly problems: Readonly<Record<string, string>>; readonly since: Readonly<Record<string, string>> } {
    return {
      ok: this.none,
      problems: this.each(({ text }) => text),
      since: this.each(({ sinceMs }) => new Date(sinceMs).toISOString()),
    }
  }

  private each(of: (problem: { readonly text: string; readonly sinceMs: number }) => string): Readonly<Record<string, string>> {
    return Object.fromEntries([...this.now].map(([part, problem]) => [part, of(problem)]))
  }
}
