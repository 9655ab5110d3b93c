/**
 * What goes between the page and its server. Code of the browser imports these types too, so this
 * file imports nothing.
 */

/** The newest state of a channel, as it comes over the stream. It replaces the one before. */
export interface Frame {
  readonly channel: string
  /** What the section publishes; absent if `problem` is there. */
  readonly state?: unknown
  readonly problem?: Problem
}

/** Why a channel has nothing new to say. What was said before is old, and not wrong. */
export interface Problem {
  readonly text: string
  /** As in 2026-11-30T12:00:00.000Z */
  readonly since: string
}

/** The answer to a request that is refused or fails. */
export interface Refusal {
  readonly problem: string
}

/** What the page is told when it begins: GET api/page. */
export interface PageFacts {
  readonly version: string
  /** Whether the server has a token, without which there are no actions. */
  readonly actions: boolean
}
