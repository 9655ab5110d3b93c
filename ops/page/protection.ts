import type { RequestHandler } from 'express'
import { meansUs } from '../../services/http-host.ts'
import type { Refusal } from './messages.ts'

/**
 * Scripts, styles and data come from here alone; nothing inline, nothing framed, no form. Text
 * never becomes markup or script: a browser that has Trusted Types refuses it.
 */
export const CONTENT_SECURITY_POLICY = [
  "default-src 'none'",
  "script-src 'self'",
  "style-src 'self'",
  "connect-src 'self'",
  "img-src 'self'",
  "base-uri 'none'",
  "form-action 'none'",
  "frame-ancestors 'none'",
  "require-trusted-types-for 'script'",
  "trusted-types 'none'",
].join('; ')

const HEADERS: Readonly<Record<string, string>> = {
  'Content-Security-Policy': CONTENT_SECURITY_POLICY,
  'X-Content-Type-Options': 'nosniff',
  'X-Frame-Options': 'DENY',
  'Referrer-Policy': 'no-referrer',
  'Cross-Origin-Opener-Policy': 'same-origin',
  'Cross-Origin-Resource-Policy': 'same-origin',
}

/** Headers of every answer. */
export const securityHeaders: RequestHandler = (_request, response, next) => {
  response.set(HEADERS)
  next()
}

/**
 * Refuses requests that are meant for another server (DNS rebinding), and those that a page from
 * elsewhere made a browser send.
 * @param names under which the page may be asked, beside its addresses
 */
export function ownRequestsOnly(names: readonly string[]): RequestHandler {
  return (request, response, next) => {
    const { host, origin, 'sec-fetch-site': site, 'sec-fetch-mode': mode } = request.headers
    if (!meansUs({ host, localAddress: request.socket.localAddress }, names)) {
      refuse(response, 421, 'this server does not go by that name: see --host-name')
      return
    }
    const elsewhere = origin !== undefined && (!URL.canParse(origin) || new URL(origin).host !== host)
    // Whoever follows a link from elsewhere may come to the page.
    const linked = mode === 'navigate' && request.method === 'GET'
    if (elsewhere || (site !== undefined && site !== 'same-origin' && site !== 'none' && !linked)) {
      refuse(response, 403, 'pages from elsewhere may ask nothing here')
      return
    }
    next()
  }
}

/** Answers with a problem. The body of a request may not have been read: the connection ends. */
export function refuse(response: Parameters<RequestHandler>[1], status: number, problem: string): void {
  const refusal: Refusal = { problem }
  response.status(status).set({ 'Cache-Control': 'no-store', Connection: 'close' }).json(refusal)
}
