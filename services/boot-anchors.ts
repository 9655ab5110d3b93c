import type { Log } from '../connectors/contract.ts'
import { anchorBoots, type BootAnchor, knownAnchors, presumedAnchors } from '../connectors/postgres/boot-anchors.ts'
import { createDatabase } from '../connectors/postgres/database.ts'
import type { DeviceId } from '../processors/contract.ts'
import type { UptimeBoot } from '../processors/standardise/uptimes.ts'
import { throughOutages } from './through-outages.ts'

/** When the boots of devices without time of day began. */
export interface BootAnchors extends AsyncDisposable {
  /** Makes the answers for these boots definitive. Waits through outages. */
  prepare(boots: readonly UptimeBoot[]): Promise<void>
  /** Microseconds since 1970; NaN if the boot gets no anchor because its device has too many. */
  anchor(device: DeviceId, boot: number): number
}

export interface BootAnchorsOptions {
  /** Resolves to the anchors of these boots. A boot that gets none is left out. */
  readonly find: (boots: readonly UptimeBoot[]) => Promise<readonly BootAnchor[]>
  /** Milliseconds of a monotonic clock. */
  readonly now?: () => number
  /**
   * Anchors of one generation in memory. There are two generations, so that those in use outlive
   * the others.
   */
  readonly remembered?: number
}

/**
 * What becomes of a boot without an anchor. `written`: its estimate is written down for good.
 * `presumed`: it has its estimate, and nothing is written. `none`: it gets none, so that nothing is
 * told about its times that could differ from what was told once.
 */
export type NewAnchors = 'written' | 'presumed' | 'none'

const ASK = { written: anchorBoots, presumed: presumedAnchors, none: knownAnchors } as const

const REMEMBERED = 100_000
/**
 * How long a boot without an anchor is taken to have none. So it costs one query a minute, and not
 * one for each of its frames.
 */
const REFUSED_MS = 60_000

/** An anchor is never changed, so one that was read once holds for good. */
export function createBootAnchors({ find, now = () => performance.now(), remembered = REMEMBERED }: BootAnchorsOptions): BootAnchors {
  let young = new Map<string, number>()
  let old: ReadonlyMap<string, number> = new Map()
  const refused = new Map<string, number>()

  function remember(key: string, anchorMicros: number): void {
    young.set(key, anchorMicros)
    if (young.size < remembered) return
    old = young
    young = new Map()
  }

  function recall(key: string): number | undefined {
    const known = young.get(key)
    if (known !== undefined) return known
    const anchor = old.get(key)
    if (anchor !== undefined) remember(key, anchor)
    return anchor
  }

  function isRefused(key: string): boolean {
    const at = refused.get(key)
    if (at === undefined) return false
    if (now() - at < REFUSED_MS) return true
    refused.delete(key)
    return false
  }

  return {
    async prepare(boots) {
      const missing = boots.filter((boot) => {
        const key = keyOf(boot)
        return recall(key) === undefined && !isRefused(key)
      })
      if (missing.length === 0) return
      for (const anchor of await find(missing)) remember(keyOf(anchor), anchor.anchorMicros)
      if (refused.size + missing.length > remembered) refused.clear()
      for (const boot of missing) if (recall(keyOf(boot)) === undefined) refused.set(keyOf(boot), now())
    },
    anchor: (device, boot) => recall(`${device}/${boot}`) ?? Number.NaN,
    async [Symbol.asyncDispose]() {},
  }
}

/**
 * The anchors of the app database. It connects at the first frame without a time of day, because
 * most lines have no such frames.
 */
export function openBootAnchors({
  url,
  log,
  signal,
  missing = 'written',
}: {
  readonly url: string
  readonly log: Log
  readonly signal: AbortSignal
  readonly missing?: NewAnchors
}): BootAnchors {
  const database = createDatabase({ url, applicationName: 'millrace boot anchors' })
  const ask = ASK[missing]
  const anchors = createBootAnchors({
    find: (boots) =>
      throughOutages('looking up the beginnings of boots', () => database.use((session) => ask(session, boots)), { log, signal }),
  })
  return { ...anchors, [Symbol.asyncDispose]: () => database[Symbol.asyncDispose]() }
}

function keyOf({ device, boot }: { readonly device: string; readonly boot: number }): string {
  return `${device}/${boot}`
}
