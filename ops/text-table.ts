import { visible } from '../processors/visible.ts'

/** Columns of a table for people: text on the left, figures on the right. */
export type Alignment = 'left' | 'right'

/**
 * Lines of a table, columns two spaces apart, without trailing spaces. Control characters in cells
 * are escaped, so that widths are what a terminal shows.
 */
export function table(rows: readonly (readonly string[])[], alignments: readonly Alignment[]): readonly string[] {
  const shown = rows.map((row) => row.map(visible))
  const widths = alignments.map((_, column) => Math.max(0, ...shown.map((row) => (row[column] ?? '').length)))
  return shown.map((row) =>
    alignments
      .map((alignment, column) => {
        const [text, width] = [row[column] ?? '', widths[column] ?? 0]
        return alignment === 'left' ? text.padEnd(width) : text.padStart(width)
      })
      .join('  ')
      .trimEnd(),
  )
}
