const TERMINAL_MS = 500
const LINE_MS = 10_000

/** Where progress is shown: process.stderr, or something like it. */
export interface ProgressTerminal {
  readonly isTTY?: boolean | undefined
  write(text: string): unknown
}

/** Shows how far a run is: in place on a terminal, else a line now and then. */
export interface Progress {
  show(line: () => string): void
  /** Leaves the last line of a terminal free. */
  end(): void
}

export function createProgress(terminal: ProgressTerminal): Progress {
  const [everyMs, begin, end] = terminal.isTTY === true ? [TERMINAL_MS, '\r\u001b[K', ''] : [LINE_MS, '', '\n']
  let shownMs = performance.now()
  let drawn = false
  return {
    show(line) {
      const nowMs = performance.now()
      if (nowMs - shownMs < everyMs) return
      shownMs = nowMs
      drawn = true
      terminal.write(`${begin}${line()}${end}`)
    },
    end() {
      if (drawn) terminal.write(begin)
      drawn = false
    },
  }
}

/**
 * Time to go, by what was done so far; undefined as long as nobody can say.
 * @param done share from 0 to 1
 */
export function timeToGoMs(done: number, tookMs: number): number | undefined {
  return done > 0.001 && tookMs > 1_000 ? (tookMs * (1 - done)) / done : undefined
}
