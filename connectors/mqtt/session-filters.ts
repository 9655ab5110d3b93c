import type { MqttClient } from 'mqtt'
import { NO_IDENTIFIER, overlapping, type Subscription, Subscriptions, widest } from '../../processors/bridge/subscriptions.ts'
import type { Log } from '../contract.ts'
import { subscribe } from './subscribe.ts'

/** What a session should be subscribed to. */
export interface WantedFilters {
  /** The connection is given up if the broker refuses one of these. */
  readonly required: readonly string[]
  /** Without these it goes on. */
  readonly optional: readonly string[]
  /** Whether to subscribe to `#` in place of all others, if the broker grants that. */
  readonly everything: boolean
}

/** What the session has. */
export interface GrantedFilters {
  /** Optional filters, and `#`, that the broker refuses, with what it said. */
  readonly refused: ReadonlyMap<string, string>
  /** Whether the session is subscribed to `#`. */
  readonly everything: boolean
}

export interface SessionFiltersOptions {
  readonly client: MqttClient
  readonly wanted: WantedFilters
  /** What the session may have from earlier processes, the oldest first. */
  readonly before: Promise<readonly Subscription[]>
  /** Keeps all that the session may have, the oldest first. Called before the broker is told. */
  readonly remember: (subscriptions: readonly Subscription[]) => void
  readonly onGranted: (granted: GrantedFilters) => void
  readonly log: Log
}

export const EVERYTHING = '#'

/**
 * Subscribes a session to what is wanted, and unsubscribes what it has and nobody wants any more.
 * Calls take turns.
 */
export class SessionFilters {
  private readonly options: SessionFiltersOptions
  private readonly subscriptions: Promise<Subscriptions>
  private known: Subscriptions | undefined
  private wanted: WantedFilters
  private turn: Promise<void> = Promise.resolve()
  private identifiable = true

  constructor(options: SessionFiltersOptions) {
    this.options = options
    this.wanted = options.wanted
    this.subscriptions = options.before.then((before) => {
      this.known = new Subscriptions(before)
      return this.known
    })
  }

  /**
   * Subscribes a connection that is up. If what the session had before is not known yet, and no two
   * filters overlap, it does not wait for that: what is gone is unsubscribed later.
   * @param failed is called if that fails
   * @param present whether the broker had the session
   * @param identifiable whether the broker has Subscription Identifiers
   * @throws Error if the broker refuses a filter that is required
   */
  async begin(present: boolean, identifiable: boolean, failed: (cause: unknown) => void): Promise<void> {
    const begun = this.inTurn(async (subscriptions) => {
      this.identifiable = identifiable
      if (!present) subscriptions.forget()
      await this.apply(subscriptions)
    })
    const { required, optional, everything } = this.wanted
    const plain = widest([...required, ...optional])
    if (this.known !== undefined || everything || overlapping(plain)) return begun
    begun.catch(failed)
    for (const filter of plain) {
      const why = await subscribe(this.options.client, filter)
      if (why !== undefined && required.includes(filter)) throw new Error(`the broker ${why} for ${filter}`)
    }
  }

  /**
   * Makes other filters the wanted ones, and tells the broker if it is connected.
   * @throws Error as `begin`
   */
  change(wanted: WantedFilters): Promise<void> {
    return this.inTurn(async (subscriptions) => {
      this.wanted = wanted
      if (this.options.client.connected) await this.apply(subscriptions)
    })
  }

  /** Whether a message is a copy of one that comes for another subscription. */
  isCopy(topic: string, identifiers: readonly number[], retained: boolean): boolean {
    return this.known?.isCopy(topic, identifiers, retained) === true
  }

  private inTurn(work: (subscriptions: Subscriptions) => Promise<void>): Promise<void> {
    const mine = this.turn.then(async () => work(await this.subscriptions))
    this.turn = mine.catch(() => undefined)
    return mine
  }

  private async apply(subscriptions: Subscriptions): Promise<void> {
    const { client, log, remember, onGranted } = this.options
    const { required, optional, everything } = this.wanted
    const refused = new Map<string, string>()
    const attempt = async (filter: string, identifier?: number): Promise<void> => {
      const why = await subscribe(client, filter, identifier)
      if (why === undefined) return subscriptions.granted(filter)
      if (required.includes(filter)) throw new Error(`the broker ${why} for ${filter}`)
      if (!refused.has(filter)) log.warn('the broker refuses a subscription', { filter, why })
      refused.set(filter, why)
    }
    if (everything && !subscriptions.all.some(({ filter }) => filter === EVERYTHING)) {
      // The others stay until it is known whether this one takes their place.
      remember([...subscriptions.all, { filter: EVERYTHING, identifier: NO_IDENTIFIER }])
      await attempt(EVERYTHING)
    }
    let gone: readonly string[]
    for (let before = -1; ; ) {
      const all = everything && !refused.has(EVERYTHING)
      // What is refused may have covered others.
      const filters = all ? [EVERYTHING] : [...required, ...optional].filter((filter) => !refused.has(filter))
      const change = subscriptions.change(filters, Date.now())
      gone = change.unsubscribe
      if (refused.size === before) break
      before = refused.size
      remember(subscriptions.all)
      if (change.identified && this.identifiable) for (const { filter, identifier } of change.subscribe) await attempt(filter, identifier)
      else await Promise.all(change.subscribe.map(({ filter }) => attempt(filter)))
    }
    if (gone.length > 0) {
      await client.unsubscribeAsync([...gone])
      subscriptions.unsubscribed(gone)
    }
    remember(subscriptions.all)
    onGranted({ refused, everything: everything && !refused.has(EVERYTHING) })
  }
}
