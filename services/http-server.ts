import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import type { Socket } from 'node:net'
import { ConnectorError } from '../connectors/contract.ts'
import { meansUs } from './http-host.ts'

/** The answer of a page. */
export interface Answer {
  readonly status: number
  readonly type: string
  readonly body: string
}

export interface HttpServerOptions {
  /** Address to listen on. */
  readonly host: string
  readonly port: number
  /** Names under which it may be asked, beside its addresses. */
  readonly names: readonly string[]
  /** Pages by path. */
  readonly pages: Readonly<Record<string, () => Answer | Promise<Answer>>>
  readonly limits?: Partial<HttpLimits>
  /** Milliseconds of a monotonic clock, by which answers are evened out. */
  readonly now?: () => number
}

/**
 * Anybody who can reach the port can ask. Nobody may cost the service its CPU, its memory or its
 * descriptors.
 */
export interface HttpLimits {
  /**
   * Answers a second, sustained and in a burst. What comes faster waits for its turn. An answer
   * takes about 0.1 ms.
   */
  readonly answersPerSecond: number
  readonly burst: number
  /** A request that would have to wait longer is refused. */
  readonly longestWaitMs: number
  /**
   * Most connections open at a time. A further one closes the oldest idle connection; if none is
   * idle, the oldest of all.
   */
  readonly connections: number
  /** Longest time for the whole head of a request; then its connection is closed. */
  readonly headMs: number
}

const LIMITS: HttpLimits = { answersPerSecond: 100, burst: 50, longestWaitMs: 5_000, connections: 100, headMs: 5_000 }
const LOOK_MS = 1_000
const TEXT = 'text/plain; charset=utf-8'

/**
 * Serves pages to GET and HEAD, and refuses requests that are meant for another server. Resolves
 * once it listens.
 * @throws ConnectorError that names host and port if it cannot listen there
 */
export async function serveHttp(options: HttpServerOptions): Promise<Server> {
  const limits = { ...LIMITS, ...options.limits }
  const turn = createTurns(limits)
  const now = options.now ?? (() => performance.now())
  const server = createServer(patience(limits.headMs), (request, response) => {
    const waitMs = turn(now())
    const reply = (): void => void respond(options, request, response, waitMs === undefined)
    if (waitMs === undefined || waitMs === 0) reply()
    else setTimeout(reply, waitMs)
  })
  boundConnections(server, limits.connections)
  await new Promise<void>((resolve, reject) => {
    server.once('error', (cause) =>
      reject(
        new ConnectorError(
          (cause as NodeJS.ErrnoException).code ?? 'LISTEN',
          false,
          `metrics: cannot listen on ${options.host}, port ${options.port}`,
          cause,
        ),
      ),
    )
    server.listen(options.port, options.host, resolve)
  })
  return server
}

async function respond(
  { names, host, pages }: HttpServerOptions,
  request: IncomingMessage,
  response: ServerResponse,
  tooMany: boolean,
): Promise<void> {
  const send = ({ status, type, body }: Answer, headers: Readonly<Record<string, string>> = {}): void => {
    response.writeHead(status, {
      'Content-Type': type,
      'Content-Length': Buffer.byteLength(body),
      'Cache-Control': 'no-store',
      'X-Content-Type-Options': 'nosniff',
      ...headers,
    })
    response.end(body)
  }
  // The body of a request is not read, so the connection ends with the answer.
  const refuse = (status: number, why: string, headers: Readonly<Record<string, string>> = {}): void =>
    send({ status, type: TEXT, body: `${why}\n` }, { Connection: 'close', ...headers })
  if (tooMany) return refuse(503, 'too many requests: ask again later', { 'Retry-After': '1' })
  if (!meansUs({ host: request.headers.host, localAddress: request.socket.localAddress }, isWildcard(host) ? names : [host, ...names]))
    return refuse(421, 'this server does not go by that name: see metrics.host_names in docs/configuration.md')
  if (request.method !== 'GET' && request.method !== 'HEAD') return refuse(405, 'expected GET or HEAD', { Allow: 'GET, HEAD' })
  const [path = ''] = (request.url ?? '').split('?')
  const page = Object.hasOwn(pages, path) ? pages[path] : undefined
  if (page === undefined) return refuse(404, `try ${Object.keys(pages).join(' or ')}`)
  try {
    send(await page())
  } catch (cause) {
    refuse(500, cause instanceof Error ? cause.message : String(cause))
  }
}

/**
 * Milliseconds that the next request waits for its turn; undefined if that is too long. The generic
 * cell rate algorithm (ITU-T I.371).
 */
function createTurns({ answersPerSecond, burst, longestWaitMs }: HttpLimits): (nowMs: number) => number | undefined {
  const intervalMs = 1_000 / answersPerSecond
  let freeAt = Number.NEGATIVE_INFINITY
  return (nowMs) => {
    const next = Math.max(freeAt, nowMs) + intervalMs
    const waitMs = Math.max(0, next - nowMs - burst * intervalMs)
    if (waitMs > longestWaitMs) return undefined
    freeAt = next
    return waitMs
  }
}

/** Times by which node:http closes a connection whose request is not there yet, or that is idle. */
export function patience(headMs: number) {
  return { headersTimeout: headMs, requestTimeout: headMs, keepAliveTimeout: headMs, connectionsCheckingInterval: LOOK_MS } as const
}

/**
 * A further connection closes an idle one. If it were refused instead, a client with many
 * connections could keep everybody else out.
 */
export function boundConnections(server: Server, most: number): void {
  /** Open connections, oldest first, with how many requests each waits for. */
  const open = new Map<Socket, number>()
  server.on('connection', (socket: Socket) => {
    if (open.size >= most) {
      const idle = [...open].find(([, requests]) => requests === 0)?.[0] ?? open.keys().next().value
      if (idle !== undefined) open.delete(idle)
      idle?.destroy()
    }
    open.set(socket, 0)
    socket.once('close', () => open.delete(socket))
  })
  server.on('request', ({ socket }: IncomingMessage, response: ServerResponse) => {
    const add = (by: number): void => {
      const requests = open.get(socket)
      if (requests !== undefined) open.set(socket, requests + by)
    }
    add(1)
    response.once('close', () => add(-1))
  })
}

function isWildcard(host: string): boolean {
  return host === '' || host === '0.0.0.0' || host === '::'
}

/**
 * Makes answers for at most a share of the time. A request that comes too soon, or while an answer
 * is being made, gets the same answer. So a cheap answer is hardly ever old, and an expensive one
 * cannot take the CPU from the service.
 * @param share of the time: with 0.05, an answer that took 4 ms is kept for 80 ms
 * @param longestMs no answer is older than that
 */
export function sharedAnswer<Value>(
  share: number,
  longestMs: number,
  make: () => Promise<Value>,
  now: () => number = () => performance.now(),
): () => Promise<Value> {
  let making: Promise<Value> | undefined
  let made: Promise<Value> | undefined
  let goodUntil = Number.NEGATIVE_INFINITY
  return () => {
    if (making !== undefined) return making
    if (made !== undefined && now() < goodUntil) return made
    const began = now()
    made = undefined
    const mine = make()
    making = mine
    const done = (): void => {
      making = undefined
      made = mine
      goodUntil = now() + Math.min(longestMs, (now() - began) / share)
    }
    mine.then(done, () => {
      making = undefined
    })
    return mine
  }
}
