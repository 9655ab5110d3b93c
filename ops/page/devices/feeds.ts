import { setTimeout as delay } from 'node:timers/promises'
import { ConnectorError } from '../../../connectors/contract.ts'
import type { Channel, Feed } from '../section.ts'
import { type Sessions, siteNow } from './figures.ts'
import type { LiveTail } from './live-tail.ts'
import { LiveWindow } from './live-window.ts'
import { siteNumber } from './queries.ts'

/** A state at most so often, whatever a device sends: half of a second is left for its way. */
const PUBLISH_MS = 250
const WINDOW = { keepMs: 5_000, most: 1_000 } as const

/** Of a site, the newest values are asked for so often, and for this share of the time at most. */
const SITE_MS = 5_000
const SITE_SHARE = 0.02

/** `device:ID`: the readings of a device as they are published. */
export function deviceFeed(tail: LiveTail): Feed {
  return {
    name: 'device',
    parameter: true,
    async run({ parameter, publish, signal }: Channel) {
      const window = new LiveWindow(WINDOW, Date.now())
      let due: NodeJS.Timeout | undefined
      let publishedAt = Number.NEGATIVE_INFINITY
      const send = (): void => {
        due = undefined
        publishedAt = performance.now()
        publish(window.state())
      }
      try {
        await tail.follow(
          parameter,
          ({ readings, skipped }) => {
            const now = performance.now()
            if (skipped) window.skip()
            window.add(readings, now)
            due ??= setTimeout(send, Math.max(0, publishedAt + PUBLISH_MS - now))
          },
          signal,
        )
      } finally {
        clearTimeout(due)
      }
    },
  }
}

/** `site:NUMBER`: the devices of a site and their newest values, from the databases. */
export function siteFeed(sessions: Sessions): Feed {
  return {
    name: 'site',
    parameter: true,
    async run({ parameter, publish, signal }: Channel) {
      const site = siteNumber.safeParse(parameter)
      while (!signal.aborted) {
        const began = performance.now()
        const state = site.success ? await siteNow(sessions, site.data) : undefined
        if (state === undefined) throw new ConnectorError('unknown-site', false, `there is no site ${JSON.stringify(parameter)}`)
        if (signal.aborted) return
        publish(state)
        const pauseMs = Math.max(SITE_MS, (performance.now() - began) / SITE_SHARE)
        await delay(pauseMs, undefined, { signal }).catch(() => undefined)
      }
    },
  }
}
