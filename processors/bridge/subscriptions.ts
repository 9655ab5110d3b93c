/**
 * Which MQTT filters a session subscribes to, and which deliveries are copies. A broker may deliver
 * a message once for each subscription that matches its topic (MQTT 5.0, section 3.3.4), and with
 * MQTT 5 Mosquitto and EMQX do. So a filter that another one covers is not subscribed. Filters that
 * overlap otherwise (`a/+` and `+/b`) get Subscription Identifiers, by which a copy is known.
 */

/** A filter of the session at the broker. */
export interface Subscription {
  readonly filter: string
  /**
   * 1 to 268,435,455, or NO_IDENTIFIER. A filter that is subscribed anew has another one: what was
   * published for the old one must not be taken for a copy of what the new one brings.
   */
  readonly identifier: number
}

/** What to say to the broker, in this order. */
export interface SubscriptionChange {
  /** To subscribe, the oldest first. */
  readonly subscribe: readonly Subscription[]
  /**
   * Whether they need their identifiers. If so, each must be granted before the next is asked for:
   * what is not granted yet is nobody's copy.
   */
  readonly identified: boolean
  /** Then to unsubscribe. */
  readonly unsubscribe: readonly string[]
}

const WILDCARD_LEVEL = '+'
const WILDCARD_REST = '#'
/** Topics that wildcards do not match: the broker's own. */
const BROKERS_OWN = '$'
/** Of a subscription without one. */
export const NO_IDENTIFIER = 0
const LARGEST_IDENTIFIER = 268_435_455
const FNV_OFFSET = 0x811c9dc5
const FNV_PRIME = 0x01000193

/** Whether every topic that matches `narrow`, a filter or a topic, also matches `wide`. */
export function covers(wide: string, narrow: string): boolean {
  if (narrow.startsWith(BROKERS_OWN) && /^[+#]/.test(wide)) return false
  const wides = wide.split('/')
  const narrows = narrow.split('/')
  for (let level = 0; level < wides.length; level++) {
    if (wides[level] === WILDCARD_REST) return true
    if (level >= narrows.length || narrows[level] === WILDCARD_REST) return false
    if (wides[level] !== WILDCARD_LEVEL && wides[level] !== narrows[level]) return false
  }
  return wides.length === narrows.length
}

/** Whether a topic can match both filters. */
export function overlap(one: string, other: string): boolean {
  const ones = one.split('/')
  const others = other.split('/')
  for (let level = 0; ; level++) {
    const [a, b] = [ones[level], others[level]]
    if (a === WILDCARD_REST || b === WILDCARD_REST) return true
    if (a === undefined || b === undefined) return a === b
    if (a !== b && a !== WILDCARD_LEVEL && b !== WILDCARD_LEVEL) return false
  }
}

/** Whether any two of the filters overlap. */
export function overlapping(filters: readonly string[]): boolean {
  return filters.some((one, index) => filters.slice(index + 1).some((other) => overlap(one, other)))
}

/** The filters in their order, each once, without those that another one covers. */
export function widest(filters: readonly string[]): readonly string[] {
  const once = [...new Set(filters)]
  return once.filter((filter) => !once.some((other) => other !== filter && covers(other, filter)))
}

/**
 * The filters of a session, the oldest first. A message has its copy of every filter that was there
 * before it was published. So the copy of the oldest matching filter is always there; that one is
 * taken, and no other.
 */
export class Subscriptions {
  private current: readonly Subscription[]
  /** Filters of one round were new to the broker together: each brought the retained messages. */
  private readonly rounds = new Map<string, number>()
  private readonly has = new Set<string>()
  private gone: readonly Subscription[] = []
  private round = 0
  private identified = false

  /** @param remembered what the session may have, the oldest first */
  constructor(remembered: readonly Subscription[] = []) {
    this.current = remembered
    for (const { filter } of remembered) this.has.add(filter)
  }

  /** All that the session may have, the oldest first: what to remember. */
  get all(): readonly Subscription[] {
    return [...this.current, ...this.gone]
  }

  /** The broker has no session: no filter is older than another. */
  forget(): void {
    this.current = []
    this.gone = []
    this.rounds.clear()
    this.has.clear()
  }

  /**
   * Makes these the filters. A filter that is no longer wanted stops counting at once: a message
   * that only another filter matches must not be taken for a copy of one that never comes.
   * @param epoch another one for each call, over processes too: the time, for one
   */
  change(wanted: readonly string[], epoch: number): SubscriptionChange {
    this.round++
    const filters = widest(wanted)
    const before = new Set(this.current.map(({ filter }) => filter))
    const begun = (filter: string): Subscription => ({ filter, identifier: identifierOf(`${epoch} ${filter}`) })
    // One that was subscribed before this class knew of it has no identifier.
    const kept = this.current
      .filter(({ filter }) => filters.includes(filter))
      .map((each) => (each.identifier === NO_IDENTIFIER ? begun(each.filter) : each))
    const added = filters.filter((filter) => !before.has(filter)).map(begun)
    this.gone = this.all.filter(({ filter }) => !filters.includes(filter))
    this.current = [...kept, ...added]
    for (const { filter } of added) this.rounds.set(filter, this.round)
    for (const { filter } of this.gone) {
      this.rounds.delete(filter)
      this.has.delete(filter)
    }
    this.identified ||= overlapping(this.current.map(({ filter }) => filter))
    return { subscribe: this.current, identified: this.identified, unsubscribe: this.gone.map(({ filter }) => filter) }
  }

  /** The broker has granted it. */
  granted(filter: string): void {
    this.has.add(filter)
  }

  /** The broker has unsubscribed these. */
  unsubscribed(filters: readonly string[]): void {
    this.gone = this.gone.filter(({ filter }) => !filters.includes(filter))
  }

  /**
   * Whether the message was delivered, or will be, for another subscription too, which counts.
   * @param identifiers of the subscriptions that this delivery is for
   * @param retained out of the broker's store: it comes once for each filter that is new
   */
  isCopy(topic: string, identifiers: readonly number[], retained: boolean): boolean {
    const own = this.current.filter(({ identifier }) => identifiers.includes(identifier))
    // One of a filter that is gone: nobody knows whether another copy was sent.
    if (own.length < identifiers.length || own.length === 0) return false
    const rounds = own.map(({ filter }) => this.rounds.get(filter))
    const first = this.current.find(
      ({ filter }) => this.has.has(filter) && covers(filter, topic) && (!retained || rounds.includes(this.rounds.get(filter))),
    )
    return first !== undefined && !own.includes(first)
  }
}

/** FNV-1a: http://www.isthe.com/chongo/tech/comp/fnv/. */
function identifierOf(text: string): number {
  let hash = FNV_OFFSET
  for (const byte of Buffer.from(text)) hash = Math.imul(hash ^ byte, FNV_PRIME)
  return ((hash >>> 0) % LARGEST_IDENTIFIER) + 1
}
