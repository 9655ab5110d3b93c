import { setTimeout as delay } from 'node:timers/promises'
import { ConnectorError } from '../../../connectors/contract.ts'
import type { Channel, Feed } from '../section.ts'
import { devicesAtSite, type Sessions, siteNow } from './figures.ts'
import type { LiveTail } from './live-tail.ts'
import { LiveWindow } from './live-window.ts'
import { NewestWindow } from './newest-window.ts'
import { siteNumber } from './queries.ts'
import { HOUR_MS } from './resolution.ts'

/** A state at most so often, whatever a device sends: half of a second is left for its way. */
const PUBLISH_MS = 250
const WINDOW = { keepMs: 5_000, most: 1_000 } as const

/** Of a site, the newest values are asked for so often, and for this share of the time at most. */
const SITE_MS = 5_000
const SITE_SHARE = 0.02
/** Which devices are at a site changes rarely. */
const MEMBERS_MS = 30_000
const SITE_WINDOW = { keepMs: 5_000, most: 5_000 } as const
/** To a browser that looks at a site: about 200 kB. A hall of 300 devices has 250 ms to spare. */
const VALUES_PER_SECOND = 5_000

/** `device:ID`: the readings of a device as they are published. */
export function deviceFeed(tail: LiveTail): Feed {
  return {
    name: 'device',
    parameter: true,
    async run({ parameter, publish, signal }: Channel) {
      const window = new LiveWindow(WINDOW, Date.now())
      const devices = [parameter]
      using states = createPacer(() => {
        publish(window.state())
        return PUBLISH_MS
      })
      await tail.follow(
        () => devices,
        ({ readings, skipped }) => {
          if (skipped) window.skip()
          window.add(readings, performance.now())
          states.soon()
        },
        signal,
      )
    },
  }
}

/** `site:NUMBER`: the devices of a site and their newest values, from the databases. */
export function siteFeed(sessions: Sessions): Feed {
  return {
    name: 'site',
    parameter: true,
    async run({ parameter, publish, signal }: Channel) {
      while (!signal.aborted) {
        const began = performance.now()
        const state = await ofSite(parameter, (site) => siteNow(sessions, site))
        if (signal.aborted) return
        publish(state)
        await pause(SITE_MS, began, signal)
      }
    },
  }
}

/**
 * `site-live:NUMBER`: what is published for the devices of a site. One tail of all channels reads
 * it, and which devices these are is asked of the app database.
 */
export function siteLiveFeed(sessions: Sessions, tail: LiveTail): Feed {
  return {
    name: 'site-live',
    parameter: true,
    async run({ parameter, publish, signal }: Channel) {
      const ask = (): Promise<readonly string[]> => ofSite(parameter, (site) => devicesAtSite(sessions, site))
      const window = new NewestWindow(SITE_WINDOW)
      let devices = await ask()
      const over = new AbortController()
      const ended = AbortSignal.any([signal, over.signal])
      const renew = async (): Promise<void> => {
        for (let began = performance.now(); !ended.aborted; ) {
          await pause(MEMBERS_MS, began, ended)
          if (ended.aborted) return
          began = performance.now()
          // If the database is away, which feed `site` says, those that are known are followed.
          const found = await ask().catch(() => devices)
          if (found.join('\n') !== devices.join('\n')) devices = found
        }
      }
      using states = createPacer(() => {
        publish(window.state())
        return Math.max(PUBLISH_MS, (window.size / VALUES_PER_SECOND) * 1000)
      })
      const renewed = renew()
      try {
        await tail.follow(
          () => devices,
          ({ readings }) => {
            // A clock that is wrong would hide all that comes after it; the databases leave it out too.
            const latest = Date.now() + HOUR_MS
            window.add(
              readings.filter(({ ts }) => ts <= latest),
              performance.now(),
            )
            states.soon()
          },
          signal,
        )
      } finally {
        over.abort()
        await renewed
      }
    },
  }
}

async function ofSite<Found>(parameter: string, ask: (site: string) => Promise<Found | undefined>): Promise<Found> {
  const site = siteNumber.safeParse(parameter)
  const found = site.success ? await ask(site.data) : undefined
  if (found === undefined) throw new ConnectorError('unknown-site', false, `there is no site ${JSON.stringify(parameter)}`)
  return found
}

/** So long after `began` that the work since then took no more than its share of the time. */
async function pause(ms: number, began: number, signal: AbortSignal): Promise<void> {
  const pauseMs = Math.max(ms, (performance.now() - began) / SITE_SHARE)
  await delay(pauseMs, undefined, { signal }).catch(() => undefined)
}

/** @param send sends a state; no other follows for so many milliseconds */
function createPacer(send: () => number): Disposable & { soon(): void } {
  let due: NodeJS.Timeout | undefined
  let notBefore = Number.NEGATIVE_INFINITY
  return {
    soon() {
      due ??= setTimeout(
        () => {
          due = undefined
          notBefore = performance.now() + send()
        },
        Math.max(0, notBefore - performance.now()),
      )
    },
    [Symbol.dispose]() {
      clearTimeout(due)
    },
  }
}
