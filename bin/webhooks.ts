import { randomBytes } from 'node:crypto'
import { retryFailed } from '../connectors/postgres/webhook-ends.ts'
import { addWebhook, listWebhooks, removeWebhook } from '../connectors/postgres/webhooks.ts'
import { table } from '../ops/text-table.ts'
import { type AccountOption, withDatabase } from './alerts.ts'
import { type ConfigOption, UsageError } from './command-line.ts'
import { printAll } from './print.ts'

interface OwnerOption extends ConfigOption {
  readonly account: string
}

/** `millrace alerts webhooks add` */
export async function addAlertWebhook(text: string, options: OwnerOption): Promise<number> {
  const url = webhookUrl(text)
  const secret = randomBytes(32).toString('base64url')
  await withDatabase(options, (database) => addWebhook(database, options.account, url, secret))
  printAll([`webhook ${url} of account ${options.account}`, `secret: ${secret}`])
  return 0
}

/** `millrace alerts webhooks remove` */
export async function removeAlertWebhook(text: string, options: OwnerOption): Promise<number> {
  const url = webhookUrl(text)
  await withDatabase(options, (database) => removeWebhook(database, options.account, url))
  printAll([`webhook ${url} of account ${options.account} is removed`])
  return 0
}

/** `millrace alerts webhooks list` */
export async function showWebhooks(options: AccountOption): Promise<number> {
  const found = await withDatabase(options, (database) => listWebhooks(database, options.account))
  const rows = found.map(({ id, account, url, waiting, failed, last_error: error }) => [
    String(id),
    account,
    url,
    String(waiting),
    String(failed),
    error ?? '',
  ])
  printAll(
    table([['webhook', 'account', 'url', 'waiting', 'failed', 'last error'], ...rows], ['right', 'left', 'left', 'right', 'right', 'left']),
  )
  return 0
}

/** `millrace alerts webhooks retry` */
export async function retryWebhook(id: number, options: ConfigOption): Promise<number> {
  const count = await withDatabase(options, (database) => retryFailed(database, BigInt(id)))
  printAll([`${count} messages of webhook ${id} that had failed are sent again`])
  return 0
}

function webhookUrl(text: string): string {
  const url = URL.canParse(text) ? new URL(text) : undefined
  if (url === undefined || (url.protocol !== 'http:' && url.protocol !== 'https:') || url.href.length > 2000)
    throw new UsageError(`expected an address with http or https, of at most 2000 characters, got ${JSON.stringify(text)}`)
  // It would be in lists and in logs.
  if (url.username !== '' || url.password !== '') throw new UsageError('expected an address without user and password: messages are signed')
  return url.href
}
