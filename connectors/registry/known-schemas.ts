import { createFingerprintIndex, type FingerprintIndex } from '../../processors/fingerprint-index.ts'
import type { RememberedSchema } from '../contract.ts'

/** A registered schema that counts. */
export interface SchemaEntry extends RememberedSchema {
  readonly json: unknown
}

/** What an ID stands for. */
export type IdLookup =
  | { readonly tag: 'known'; readonly entry: SchemaEntry }
  | { readonly tag: 'unknown' }
  /**
   * The registry has given it to schemas of different fields: it was restored, and has handed out
   * the ID again.
   */
  | { readonly tag: 'ambiguous'; readonly entries: readonly SchemaEntry[] }

const UNKNOWN: IdLookup = { tag: 'unknown' }

/**
 * Every schema that was ever met. What the registry shows now comes before what it showed once. So
 * what is in Kafka can still be read after a subject was deleted, or the registry was restored from
 * an older backup. No I/O.
 */
export class KnownSchemas {
  /** What the registry shows, oldest version first, by subject. */
  private readonly live = new Map<string, readonly SchemaEntry[]>()
  /**
   * All schemas ever met, by ID and fingerprint, those met last at the end. A restored registry may
   * give an ID to another schema.
   */
  private readonly ever = new Map<string, SchemaEntry>()
  private byFingerprint = new Map<string, SchemaEntry>()
  private byBytes: FingerprintIndex<IdLookup> = createFingerprintIndex(new Map())
  private byId = new Map<number, IdLookup>()
  private newest = new Map<string, SchemaEntry>()

  /**
   * All versions of a subject that the registry shows; none for one that is deleted. Returns
   * whether anything has changed.
   */
  setLive(subject: string, entries: readonly SchemaEntry[]): boolean {
    const before = this.live.get(subject) ?? []
    if (entries.length === before.length && entries.every((entry, index) => entry === before[index])) return false
    if (entries.length === 0) this.live.delete(subject)
    else this.live.set(subject, entries)
    this.remember(entries)
    return true
  }

  /** Schemas that the registry does not show, or no longer. */
  remember(entries: readonly SchemaEntry[]): void {
    for (const entry of entries) {
      const key = `${entry.id} ${entry.fingerprint}`
      this.ever.delete(key)
      this.ever.set(key, entry)
    }
  }

  /** Brings the answers up to date with what was set. */
  index(): void {
    const [byFingerprint, byId, newest] = [new Map<string, SchemaEntry>(), new Map<number, IdLookup>(), new Map<string, SchemaEntry>()]
    for (const entry of this.ever.values()) {
      byFingerprint.set(entry.fingerprint, entry)
      byId.set(entry.id, withEntry(byId.get(entry.id), entry))
      const known = newest.get(entry.subject)
      if (known === undefined || entry.version >= known.version) newest.set(entry.subject, entry)
    }
    for (const [subject, entries] of this.live) {
      for (const entry of entries) byFingerprint.set(entry.fingerprint, entry)
      const last = entries.at(-1)
      if (last !== undefined) newest.set(subject, last)
    }
    this.byFingerprint = byFingerprint
    this.byBytes = createFingerprintIndex(new Map([...byFingerprint].map(([hex, entry]) => [hex, { tag: 'known', entry } as const])))
    this.byId = byId
    this.newest = newest
  }

  /** The newest live version with this fingerprint; if none is live, the one that was met last. */
  withFingerprint(hex: string): SchemaEntry | undefined {
    return this.byFingerprint.get(hex)
  }

  /** The same, by its 8 bytes. */
  withFingerprintBytes(fingerprint: Buffer): IdLookup {
    return this.byBytes.find(fingerprint, 0) ?? UNKNOWN
  }

  withId(id: number): IdLookup {
    return this.byId.get(id) ?? UNKNOWN
  }

  /** The subject's newest live version; of a deleted subject, its newest. */
  newestOf(subject: string): SchemaEntry | undefined {
    return this.newest.get(subject)
  }

  liveVersions(subject: string): readonly SchemaEntry[] {
    return this.live.get(subject) ?? []
  }

  /** Subjects that the registry showed at the last reading. */
  liveSubjects(): Iterable<string> {
    return this.live.keys()
  }

  /** All that was ever met of a subject, oldest version first. */
  everOf(subject: string): readonly SchemaEntry[] {
    return [...this.ever.values()].filter((entry) => entry.subject === subject).sort((a, b) => a.version - b.version)
  }

  /** One entry for each fingerprint. */
  fingerprints(): ReadonlyMap<string, SchemaEntry> {
    return this.byFingerprint
  }

  /** Every ID with every schema that it ever stood for. */
  all(): Iterable<SchemaEntry> {
    return this.ever.values()
  }
}

function withEntry(found: IdLookup | undefined, entry: SchemaEntry): IdLookup {
  if (found === undefined || found.tag === 'unknown') return { tag: 'known', entry }
  return { tag: 'ambiguous', entries: [...(found.tag === 'known' ? [found.entry] : found.entries), entry] }
}
