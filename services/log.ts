import type { Log } from '../connectors/contract.ts'
import { visible } from '../processors/visible.ts'
import { createRedactor } from './secrets.ts'

/**
 * A log with one plain line per event: time, level, part, message, fields as JSON. Secrets of the
 * environment are left out, even if a library's error has them.
 */
export function createLog(part: string, write: (line: string) => void = (line) => process.stderr.write(line)): Log {
  const redact = createRedactor(process.env)
  const at =
    (level: string) =>
    (message: string, fields?: Readonly<Record<string, unknown>>): void => {
      const tail = fields === undefined || Object.keys(fields).length === 0 ? '' : ` ${JSON.stringify(fields)}`
      write(`${visible(redact(`${new Date().toISOString()} ${level} ${part}: ${message}${tail}`))}\n`)
    }
  return { info: at('info'), warn: at('warn'), error: at('error') }
}
