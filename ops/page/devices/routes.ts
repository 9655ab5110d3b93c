import { Router } from 'express'
import type { z } from 'zod'
import { overviewSites } from '../../../connectors/postgres/device-overview.ts'
import { refuse } from '../protection.ts'
import { createAnswerCache } from './answer-cache.ts'
import { listDevices, oneDevice, type Sessions, siteDay } from './figures.ts'
import { readHistory } from './history.ts'
import type { SiteList } from './messages.ts'
import { dayQuery, historyQuery, listQuery, oneQuery, parseQuery, sitesQuery } from './queries.ts'

/** So long the same question has the same answer: live readings come by the stream. */
const KEEP_MS = 5_000
const MOST_KEPT = 200

/** What the pages of devices and sites ask, below api/devices. */
export function deviceRoutes(sessions: Sessions): Router {
  const router = Router()
  const cached = createAnswerCache<object>(KEEP_MS, MOST_KEPT)

  function answer<Schema extends z.ZodType>(path: string, schema: Schema, make: (query: z.output<Schema>) => Promise<object>): void {
    router.get(path, async (request, response) => {
      const parsed = parseQuery(schema, request.query)
      if ('fault' in parsed) refuse(response, 400, parsed.fault)
      else response.json(await cached(`${path} ${JSON.stringify(parsed.query)}`, () => make(parsed.query)))
    })
  }

  answer('/list', listQuery, (query) => listDevices(sessions, query))
  answer('/one', oneQuery, ({ device }) => oneDevice(sessions, device))
  answer('/history', historyQuery, ({ ids, quantities, from, to, points }) =>
    sessions.telemetry((session) => readHistory(session, { deviceIds: ids, fromMs: from, toMs: to }, quantities, points)),
  )
  answer('/day', dayQuery, ({ site, quantity }) => siteDay(sessions, site, quantity, Date.now()))
  answer('/sites', sitesQuery, async (): Promise<SiteList> => ({ sites: await sessions.app((session) => overviewSites(session)) }))
  return router
}
