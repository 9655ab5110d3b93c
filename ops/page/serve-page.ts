import { createServer, type Server } from 'node:http'
import { createRequire } from 'node:module'
import { dirname } from 'node:path'
import express, { type ErrorRequestHandler, type Express } from 'express'
import { ConnectorError, type Log } from '../../connectors/contract.ts'
import { createDatabase } from '../../connectors/postgres/database.ts'
import { projectRoot } from '../../schemas/files.ts'
import type { Config } from '../../services/config.ts'
import { asUserOf } from '../../services/database-users.ts'
import { declaredServices } from '../../services/declared.ts'
import { expectedFailure } from '../../services/expected.ts'
import { boundConnections, patience } from '../../services/http-server.ts'
import { createRedactor } from '../../services/secrets.ts'
import { version } from '../../services/version.ts'
import { actionsWith } from './actions.ts'
import { createHub, type Hub } from './hub.ts'
import type { PageFacts } from './messages.ts'
import { ownRequestsOnly, refuse, securityHeaders } from './protection.ts'
import type { OpenSection, PageParts, Section } from './section.ts'
import { sections } from './sections.ts'

/** What a browser loads. It is served as it is in the sources. */
const PUBLIC = `${projectRoot}ops/page/public`
const UPLOT = dirname(createRequire(import.meta.url).resolve('uplot'))
const STATEMENT_MS = 5_000
/** Connections at a time; the hub allows fewer streams. */
const MOST_CONNECTIONS = 500
/** Longest time for a whole request, which is small; an answer may take longer. */
const REQUEST_MS = 10_000

export interface PageOptions {
  readonly config: Config
  /** Address to listen on. */
  readonly host: string
  /** 0 for any that is free. */
  readonly port: number
  /** Names under which it may be asked, beside its addresses. */
  readonly names: readonly string[]
  readonly log: Log
  /** Those of the page, if absent. */
  readonly sections?: readonly OpenSection[]
}

/** The page, being served. */
export interface Page extends AsyncDisposable {
  readonly port: number
}

/**
 * Serves the page for operators. Resolves once it listens; dials nothing before somebody looks.
 * @throws ConnectorError that names host and port if it cannot listen there
 */
export async function servePage({ config, host, port, names, log, sections: chosen = sections }: PageOptions): Promise<Page> {
  const reader = asUserOf({ kind: 'reader' }, config)
  const explain = createExplainer()
  const parts: PageParts = {
    config: reader,
    watcher: asUserOf({ kind: 'watch' }, config),
    operator: config,
    services: await declaredServices(config),
    log,
    explain,
    action: actionsWith(config.env.MILLRACE_OPS_TOKEN),
    database: (kind, statementTimeoutMs = STATEMENT_MS) =>
      createDatabase({
        url: kind === 'telemetry' ? reader.env.TELEMETRY_DATABASE_URL : reader.env.APP_DATABASE_URL,
        applicationName: 'millrace ops',
        statementTimeoutMs,
        answerTimeoutMs: statementTimeoutMs + 2_000,
      }),
  }
  const opened: Section[] = []
  for (const open of chosen) opened.push(await open(parts))
  const hub = createHub({ feeds: opened.flatMap(({ feeds }) => feeds), explain })
  const facts: PageFacts = { version, actions: config.env.MILLRACE_OPS_TOKEN !== undefined }
  const app = createApp({ hub, sections: opened, names: isWildcard(host) ? names : [host, ...names], facts, explain })
  const server = createServer(patience(REQUEST_MS), app)
  boundConnections(server, MOST_CONNECTIONS)
  await listen(server, host, port)
  const address = server.address()
  return {
    port: typeof address === 'object' && address !== null ? address.port : port,
    async [Symbol.asyncDispose]() {
      const closed = new Promise((resolve) => server.close(resolve))
      await hub[Symbol.asyncDispose]()
      server.closeAllConnections()
      await closed
      await Promise.allSettled(opened.map((section) => section[Symbol.asyncDispose]()))
    },
  }
}

export interface AppParts {
  readonly hub: Hub
  readonly sections: readonly Pick<Section, 'name' | 'router'>[]
  readonly names: readonly string[]
  readonly facts: PageFacts
  readonly explain: (cause: unknown) => string
}

/** What answers a request. */
export function createApp({ hub, sections: all, names, facts, explain }: AppParts): Express {
  const app = express()
  app.disable('x-powered-by')
  app.use(securityHeaders, ownRequestsOnly(names))
  app.get('/events', (request, response) => {
    const channels = typeof request.query.channels === 'string' ? request.query.channels : ''
    const asked = channelsIn(channels)
    if (asked === undefined) return refuse(response, 400, 'expected ?channels= with a JSON list of names')
    response.status(200).set({ 'Content-Type': 'text/event-stream', 'Cache-Control': 'no-store', 'X-Accel-Buffering': 'no' })
    switch (hub.connect(response, asked, request.get('Last-Event-ID'))) {
      case 'connected':
        response.flushHeaders()
        return
      case 'unknown':
        return refuse(response.type('json'), 404, 'there is no such channel')
      case 'full':
        return refuse(response.type('json'), 503, 'too many browsers look at this page: close one')
    }
  })
  app.use('/api', (_request, response, next) => {
    response.set('Cache-Control', 'no-store')
    next()
  })
  app.get('/api/page', (_request, response) => void response.json(facts))
  for (const { name, router } of all) if (router !== undefined) app.use(`/api/${name}`, router)
  app.use('/api', (_request, response) => refuse(response, 404, 'there is nothing here'))
  // After a restart the page may be of another version.
  const fresh = {
    cacheControl: false,
    setHeaders: (response: { setHeader(name: string, value: string): void }) => response.setHeader('Cache-Control', 'no-cache'),
  }
  app.use('/vendor/uplot', express.static(UPLOT, { ...fresh, index: false }))
  app.get('/favicon.ico', (_request, response) => void response.status(204).end())
  app.use(express.static(PUBLIC, fresh))
  app.use((_request, response) => refuse(response, 404, 'there is nothing here'))
  const failed: ErrorRequestHandler = (cause, _request, response, next) => {
    if (response.headersSent) return next(cause)
    refuse(response, statusOf(cause), explain(cause))
  }
  app.use(failed)
  return app
}

/** A client's own mistake has a status of express: a path or a body that it cannot read. */
function statusOf(cause: unknown): number {
  const status = cause instanceof Error && 'status' in cause ? cause.status : undefined
  return typeof status === 'number' && status >= 400 && status < 500 ? status : 503
}

/** Undefined if it is no list of names. */
function channelsIn(text: string): readonly string[] | undefined {
  let list: unknown
  try {
    list = JSON.parse(text)
  } catch (cause) {
    if (cause instanceof SyntaxError) return undefined
    throw cause
  }
  return Array.isArray(list) && list.every((each) => typeof each === 'string') ? list : undefined
}

/** What to say of a failure: without a stack, and without secrets. */
function createExplainer(): (cause: unknown) => string {
  const redact = createRedactor(process.env)
  return (cause) => redact(expectedFailure(cause) ?? (cause instanceof Error ? cause.message : String(cause)))
}

function listen(server: Server, host: string, port: number): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once('error', (cause: NodeJS.ErrnoException) =>
      reject(new ConnectorError(cause.code ?? 'LISTEN', false, `page: cannot listen on ${host}, port ${port}`, cause)),
    )
    server.listen(port, host, resolve)
  })
}

function isWildcard(host: string): boolean {
  return host === '' || host === '0.0.0.0' || host === '::'
}
