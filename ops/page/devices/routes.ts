import { type RequestHandler, Router } from 'express'
import type { z } from 'zod'
import { overviewSites } from '../../../connectors/postgres/device-overview.ts'
import { refuse } from '../protection.ts'
import { listDevices, oneDevice, type Sessions, siteDay } from './figures.ts'
import { readHistory } from './history.ts'
import type { SiteList } from './messages.ts'
import { dayQuery, historyQuery, listQuery, oneQuery, parseQuery } from './queries.ts'

/** What the pages of devices and sites ask, below api/devices. */
export function deviceRoutes(sessions: Sessions): Router {
  const router = Router()
  router.get(
    '/list',
    answering(listQuery, (query) => listDevices(sessions, query)),
  )
  router.get(
    '/one',
    answering(oneQuery, ({ device }) => oneDevice(sessions, device)),
  )
  router.get(
    '/history',
    answering(historyQuery, ({ ids, quantities, from, to, points }) =>
      sessions.telemetry((session) => readHistory(session, { deviceIds: ids, fromMs: from, toMs: to }, quantities, points)),
    ),
  )
  router.get(
    '/day',
    answering(dayQuery, ({ site, quantity }) => siteDay(sessions, site, quantity, Date.now())),
  )
  router.get('/sites', async (_request, response) => {
    const list: SiteList = { sites: await sessions.app((session) => overviewSites(session)) }
    response.json(list)
  })
  return router
}

function answering<Schema extends z.ZodType>(schema: Schema, answer: (query: z.output<Schema>) => Promise<object>): RequestHandler {
  return async (request, response) => {
    const parsed = parseQuery(schema, request.query)
    if ('fault' in parsed) refuse(response, 400, parsed.fault)
    else response.json(await answer(parsed.query))
  }
}
