import { createHash, timingSafeEqual } from 'node:crypto'
import type { RequestHandler } from 'express'
import { ConfigError } from '../../services/config.ts'
import { refuse } from './protection.ts'

/** A shorter one could be guessed. */
const LEAST_LENGTH = 16

/**
 * Lets a request pass that has the token in its header, as `Authorization: Bearer <token>`. A
 * browser sends that header only if the page's own script puts it there, so no other page can act
 * in the name of whoever has the page open.
 * @param token undefined: there are no actions
 * @throws ConfigError if the token is too short
 */
export function actionsWith(token: string | undefined): RequestHandler {
  if (token === undefined)
    return (_request, response) => refuse(response, 403, 'this page is read-only: it was started without MILLRACE_OPS_TOKEN')
  if (token.length < LEAST_LENGTH)
    throw new ConfigError(`environment: MILLRACE_OPS_TOKEN: expected ${LEAST_LENGTH} characters or more, as of \`openssl rand -hex 16\``)
  const expected = digest(token)
  return (request, response, next) => {
    const [, given] = /^Bearer (.+)$/.exec(request.headers.authorization ?? '') ?? []
    if (given === undefined) {
      response.set('WWW-Authenticate', 'Bearer')
      refuse(response, 401, 'this changes something: it needs the token of MILLRACE_OPS_TOKEN')
      return
    }
    // Digests have one length, so that the comparison says nothing of the token's.
    if (!timingSafeEqual(digest(given), expected)) {
      refuse(response, 403, 'this is not the token')
      return
    }
    next()
  }
}

function digest(text: string): Buffer {
  return createHash('sha256').update(text).digest()
}
