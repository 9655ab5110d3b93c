import type { Extent } from '../../connectors/contract.ts'

/**
 * The newest records of each partition, of all of them at most `most`. Offsets stand for records:
 * those that are no records (transactions) make it fewer.
 */
export function newest(extents: readonly Extent[], most: number): { readonly extents: readonly Extent[]; readonly left: number } {
  const lengths = extents.map(({ earliest, end }) => Math.max(0, Number(end - earliest)))
  const share = shareOf(lengths, most)
  return {
    extents: extents.map((extent, index) => {
      const over = (lengths[index] ?? 0) - share
      return over > 0 ? { ...extent, earliest: extent.earliest + BigInt(over) } : extent
    }),
    left: lengths.reduce((sum, length) => sum + Math.max(0, length - share), 0),
  }
}

/** What each partition may have if short ones leave the others what they do not need. */
function shareOf(lengths: readonly number[], most: number): number {
  let left = most
  let share = 0
  const ascending = [...lengths].sort((a, b) => a - b)
  for (const [index, length] of ascending.entries()) {
    share = Math.floor(left / (ascending.length - index))
    if (length > share) return share
    left -= length
  }
  return Math.max(share, ascending.at(-1) ?? 0)
}
