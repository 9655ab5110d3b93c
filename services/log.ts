import { hostname } from 'node:os'
import type { Log } from '../connectors/contract.ts'
import { visible } from '../processors/visible.ts'
import { createRedactor } from './secrets.ts'

export const LOG_LEVELS = ['info', 'warn', 'error'] as const
export type LogLevel = (typeof LOG_LEVELS)[number]
/** `auto` is pretty on a terminal, and JSON otherwise. */
export const LOG_FORMATS = ['auto', 'json', 'pretty'] as const
export type LogFormat = (typeof LOG_FORMATS)[number]

/** What is logged, and how. */
export interface LogSettings {
  readonly format: LogFormat
  /** The least that is logged. */
  readonly level: LogLevel
}

/** Where lines go. */
export interface LogOutput {
  readonly isTTY?: boolean
  write(line: string): void
}

const COLOURS: Readonly<Record<LogLevel, string>> = { info: '', warn: '\u001b[33m', error: '\u001b[31m' }
const PLAIN = '\u001b[0m'

/**
 * A log with one line per event: JSON with the names of docs/logs.md, or for people on a terminal
 * the time, level, part, message and fields. Secrets of the environment are left out, even if a
 * library's error has them.
 * @param service the service, or the command, that it is the log of
 */
export function createLog(service: string, settings: LogSettings = logSettings(process.env), output: LogOutput = process.stderr): Log {
  const redact = createRedactor(process.env)
  const pretty = settings.format === 'pretty' || (settings.format === 'auto' && output.isTTY === true)
  const instance = `${hostname()}/${process.pid}`
  const at =
    (level: LogLevel) =>
    (message: string, fields?: Readonly<Record<string, unknown>>): void => {
      if (LOG_LEVELS.indexOf(level) < LOG_LEVELS.indexOf(settings.level)) return
      const time = new Date().toISOString()
      const more = fields === undefined || Object.keys(fields).length === 0 ? {} : { fields }
      if (!pretty) {
        output.write(`${visible(redact(JSON.stringify({ time, level, service, instance, message, ...more })))}\n`)
        return
      }
      const tail = more.fields === undefined ? '' : ` ${JSON.stringify(more.fields)}`
      const colour = output.isTTY === true && process.env.NO_COLOR === undefined ? COLOURS[level] : ''
      output.write(`${colour}${visible(redact(`${time} ${level} ${service}: ${message}${tail}`))}${colour === '' ? '' : PLAIN}\n`)
    }
  return { info: at('info'), warn: at('warn'), error: at('error') }
}

/**
 * The settings of a configuration, which the environment overrides: an operator may want more of
 * one service, and less of another. What cannot be used there does not count.
 */
export function logSettings(env: NodeJS.ProcessEnv, configured: LogSettings = { format: 'auto', level: 'info' }): LogSettings {
  return {
    format: LOG_FORMATS.find((format) => format === env.MILLRACE_LOG_FORMAT) ?? configured.format,
    level: LOG_LEVELS.find((level) => level === env.MILLRACE_LOG_LEVEL) ?? configured.level,
  }
}
