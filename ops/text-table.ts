/** Columns of a table for people: text on the left, figures on the right. */
export type Alignment = 'left' | 'right'

/** Lines of a table, columns two spaces apart, without trailing spaces. */
export function table(rows: readonly (readonly string[])[], alignments: readonly Alignment[]): readonly string[] {
  const widths = alignments.map((_, column) => Math.max(0, ...rows.map((row) => (row[column] ?? '').length)))
  return rows.map((row) =>
    alignments
      .map((alignment, column) => {
        const [text, width] = [row[column] ?? '', widths[column] ?? 0]
        return alignment === 'left' ? text.padEnd(width) : text.padStart(width)
      })
      .join('  ')
      .trimEnd(),
  )
}
