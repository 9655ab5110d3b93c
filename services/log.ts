import type { Log } from '../connectors/contract.ts'

/** A log of one plain line per event: time, level, part, message, fields as JSON. */
export function createLog(part: string, write: (line: string) => void = (line) => process.stderr.write(line)): Log {
  const at =
    (level: string) =>
    (message: string, fields?: Readonly<Record<string, unknown>>): void => {
      const tail = fields === undefined || Object.keys(fields).length === 0 ? '' : ` ${JSON.stringify(fields)}`
      write(`${new Date().toISOString()} ${level} ${part}: ${message}${tail}\n`)
    }
  return { info: at('info'), warn: at('warn'), error: at('error') }
}
