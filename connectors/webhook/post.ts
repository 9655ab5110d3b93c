import { createHmac } from 'node:crypto'
import { type LookupOptions, lookup } from 'node:dns'
import { request as httpRequest } from 'node:http'
import { request as httpsRequest } from 'node:https'
import { isIP, type LookupFunction } from 'node:net'
import { isPublicAddress } from './addresses.ts'

/** What is sent to a webhook. */
export interface WebhookMessage {
  readonly url: string
  readonly secret: string
  /** Header `Millrace-Event`: the same in every attempt. */
  readonly eventId: string
  readonly body: string
}

export interface PostOptions {
  /** Whether addresses of private networks are taken, too. */
  readonly privateAddresses: boolean
  /** From the beginning to the end of the answer. */
  readonly timeoutMs: number
  readonly nowMs: number
  readonly signal: AbortSignal
}

/**
 * Header `Millrace-Signature` of a body: `t=<seconds since 1970>,v1=<HMAC-SHA256 of "<t>.<body>">`,
 * in hexadecimal. The time is signed, too, so that what was recorded cannot be sent again later.
 */
export function signature(secret: string, body: string, nowMs: number): string {
  const seconds = Math.floor(nowMs / 1000)
  return `t=${seconds},v1=${createHmac('sha256', secret).update(`${seconds}.${body}`).digest('hex')}`
}

/**
 * Posts a message. Redirects are not followed, and the body of the answer is not read. The address
 * that a name stands for is checked when it is connected to, so a name cannot change in between.
 * @returns undefined if the answer was 2xx, else what was wrong. It never rejects
 */
export function postWebhook(message: WebhookMessage, options: PostOptions): Promise<string | undefined> {
  const url = new URL(message.url)
  if (url.protocol !== 'http:' && url.protocol !== 'https:') return Promise.resolve(`expected http or https, got ${url.protocol}`)
  const host = url.hostname.replace(/^\[|\]$/g, '')
  if (isIP(host) !== 0 && !options.privateAddresses && !isPublicAddress(host)) return Promise.resolve(refusal(host))
  return new Promise((resolve) => {
    const body = Buffer.from(message.body)
    const request = (url.protocol === 'https:' ? httpsRequest : httpRequest)(url, {
      method: 'POST',
      // Of its own: a connection that stands still is nobody else's.
      agent: false,
      lookup: options.privateAddresses ? lookup : publicLookup,
      signal: AbortSignal.any([options.signal, AbortSignal.timeout(options.timeoutMs)]),
      headers: {
        'content-type': 'application/json',
        'content-length': body.length,
        'user-agent': 'millrace',
        'millrace-event': message.eventId,
        'millrace-signature': signature(message.secret, message.body, options.nowMs),
      },
    })
    request.on('error', (cause) => resolve(cause.name === 'AbortError' ? `no answer within ${options.timeoutMs} ms` : cause.message))
    request.on('response', (response) => {
      const { statusCode = 0 } = response
      resolve(statusCode >= 200 && statusCode < 300 ? undefined : `answered ${statusCode}`)
      request.destroy()
    })
    request.end(body)
  })
}

function refusal(address: string): string {
  return `${address} is not an address of the public Internet: webhooks.private_addresses allows others`
}

/** As dns.lookup, but fails for a name that stands for any private address. */
const publicLookup: LookupFunction = (hostname, options: LookupOptions, callback) => {
  lookup(hostname, { ...options, all: true }, (error, addresses) => {
    if (error !== null) return callback(error, '')
    const refused = addresses.find(({ address }) => !isPublicAddress(address))
    const [first] = addresses
    if (refused !== undefined) return callback(new Error(`${hostname}: ${refusal(refused.address)}`), '')
    if (options.all === true) return callback(null, addresses)
    return callback(null, first?.address ?? '', first?.family)
  })
}
