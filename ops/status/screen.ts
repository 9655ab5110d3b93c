import { visible } from '../../processors/visible.ts'

/** Where a screen is drawn: process.stdout, or something like it. */
export interface Terminal {
  readonly isTTY?: boolean | undefined
  readonly columns?: number | undefined
  readonly rows?: number | undefined
  write(text: string): unknown
}

/**
 * A block of lines at the bottom of the terminal, drawn again in place. What was printed before it
 * stays and can be scrolled back to.
 */
export interface Screen {
  draw(lines: readonly string[]): void
  /** Leaves the last lines where they are; later output goes below them. */
  leave(): void
}

const ESC = '\x1b['

/** Plain terminals only: cursor up, erase below, bold (ECMA-48). */
export function createScreen(terminal: Terminal): Screen {
  let drawn = 0
  return {
    draw(lines) {
      const [width, height] = [terminal.columns ?? 80, terminal.rows ?? 24]
      // One line less than the terminal has, so that it does not scroll, and the next drawing finds
      // the place.
      const shown = lines
        .slice(0, Math.max(1, height - 1))
        .map(visible)
        .map((line) => (line.length > width ? `${line.slice(0, width - 1)}…` : line))
      const [heading = '', ...rest] = shown
      terminal.write(`${drawn > 0 ? `${ESC}${drawn}A` : ''}\r${ESC}J${[`${ESC}1m${heading}${ESC}0m`, ...rest].join('\n')}\n`)
      drawn = shown.length
    },
    leave() {
      drawn = 0
    },
  }
}
