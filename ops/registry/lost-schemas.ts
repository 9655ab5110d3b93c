import type { RememberedSchema } from '../../connectors/contract.ts'

/** What a registry lacks of a subject that was read from it once. */
export type LostSchemas =
  | { readonly tag: 'nothing' }
  /** To be registered in this order; the last one becomes the newest. */
  | { readonly tag: 'lost'; readonly schemas: readonly RememberedSchema[] }
  /**
   * Its newest schema was never read here. One that is older must not become the newest again: that
   * would change how frames are converted.
   */
  | { readonly tag: 'newer'; readonly lacking: number }

/**
 * @param remembered schemas of one subject, the last met last
 * @param live texts of the versions that the registry shows, oldest first
 */
export function lostSchemas(remembered: readonly RememberedSchema[], live: readonly string[]): LostSchemas {
  // A registry that was restored once has given a schema several IDs.
  const distinct = remembered.filter(({ text }, index) => remembered.findLastIndex((other) => other.text === text) === index)
  const lacking = distinct.filter(({ text }) => !live.includes(text))
  if (lacking.length === 0) return { tag: 'nothing' }
  const newest = live.at(-1)
  if (newest === undefined) return { tag: 'lost', schemas: distinct }
  const at = distinct.findIndex(({ text }) => text === newest)
  if (at === -1) return { tag: 'newer', lacking: lacking.length }
  // What came before the newest is remembered for frames of its time, and need not be live.
  const schemas = distinct.slice(at + 1)
  return schemas.length === 0 ? { tag: 'nothing' } : { tag: 'lost', schemas }
}
