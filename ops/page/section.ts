import type { RequestHandler, Router } from 'express'
import type { Log } from '../../connectors/contract.ts'
import type { Database } from '../../connectors/postgres/database.ts'
import type { DatabaseKind } from '../../connectors/postgres/roles.ts'
import type { DeclaredService } from '../../processors/declaration.ts'
import type { Config } from '../../services/config.ts'

/** A part of the page: what it answers to requests, and what it publishes on the stream. */
export interface Section extends AsyncDisposable {
  /** The router answers below /api/<name>. Small letters and hyphens. */
  readonly name: string
  readonly router?: Router
  readonly feeds: readonly Feed[]
}

/** Makes a section. It dials nothing before somebody looks. */
export type OpenSection = (parts: PageParts) => Promise<Section>

/** What a section gets. */
export interface PageParts {
  /** Its databases' addresses are those of the reader. */
  readonly config: Config
  /** Those of the watcher, who sees what sessions of others wait for (docs/roles.md). */
  readonly watcher: Config
  /** The configuration with the addresses of whoever runs the command: for actions alone. */
  readonly operator: Config
  /** Of the line, in order. */
  readonly services: readonly DeclaredService[]
  readonly log: Log
  /** What to say of a failure: words for people, without secrets. */
  readonly explain: (cause: unknown) => string
  /**
   * A connection of its own as the reader, opened when it is first used. What takes longer than
   * `statementTimeoutMs` (5 s if absent) fails. Whoever asks for it disposes of it.
   */
  database(kind: DatabaseKind, statementTimeoutMs?: number): Database
  /** Goes before the handler of whatever changes something: lets a request with the token pass. */
  readonly action: RequestHandler
}

/**
 * One kind of channel. A browser asks for `name`, or `name:parameter`; however many ask for the
 * same one, it runs once, and only while one of them looks.
 */
export interface Feed {
  /** Small letters and hyphens, different from those of all other sections. */
  readonly name: string
  /** With it every channel has a parameter: a device, a site. */
  readonly parameter?: true
  /**
   * If it publishes nothing for so long, the page says that there is no answer, and since when:
   * whoever is asked may be trying again and again. Absent: it may be silent.
   */
  readonly silentMs?: number
  /**
   * Publishes until `signal` is aborted. If it rejects, the page says why and since when, and it is
   * run again two seconds later.
   */
  run(channel: Channel): Promise<void>
}

export interface Channel {
  /**
   * What comes after the colon; '' for a feed without a parameter. A stranger may have made it up.
   */
  readonly parameter: string
  /**
   * Sends a state to everybody who looks. It is encoded once. It must be whole, not a difference:
   * a client that is slow gets the newest one only.
   */
  publish(state: unknown): void
  /** Aborted once nobody looks any more, and at the end. */
  readonly signal: AbortSignal
}
