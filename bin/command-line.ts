import { type CommanderError, type CommandUnknownOpts, Option } from '@commander-js/extra-typings'
import { MOMENT_EXPECTED, parseMoment } from '../processors/when.ts'

/** The command line is wrong. The message names what was found, and what was expected. */
export class UsageError extends Error {}

/** The options of every command that reads the configuration. */
export const CONFIG = new Option('--config <file>', 'configuration; otherwise $MILLRACE_CONFIG, or millrace.yaml if it is there')

/** What a command without other options gets. */
export interface ConfigOption {
  readonly config?: string | undefined
}

/** Sets the exit code of the process to the one that a command returns. */
export function exits<Args extends unknown[]>(work: (...args: Args) => Promise<number>): (...args: Args) => Promise<void> {
  return async (...args) => {
    process.exitCode = await work(...args)
  }
}

/** Examples below a command's help. */
export function examples(...lines: readonly string[]): string {
  return `\nExamples:\n${lines.map((line) => `  ${line}`).join('\n')}`
}

/** Parses a text. It must not look like the next option: `--device --json` names no device. */
export function text(option: string): (given: string) => string {
  return (given) => {
    if (given.startsWith('--')) throw new UsageError(`${option}: expected a value, got the option ${JSON.stringify(given)}`)
    return given
  }
}

/** Parses a text of an option that may be given several times. */
export function several(option: string): (given: string, before?: readonly string[]) => readonly string[] {
  return (given, before = []) => [...before, text(option)(given)]
}

/** Parses a time, into milliseconds since 1970. All commands parse their times with it. */
export function moment(option: string): (given: string) => number {
  return (given) => {
    const ms = parseMoment(given, Date.now())
    if (ms === undefined) throw new UsageError(`${option}: ${MOMENT_EXPECTED}, got ${JSON.stringify(given)}`)
    return ms
  }
}

const SECONDS = { s: 1, m: 60, h: 3_600, d: 86_400 } as const

/** Parses a duration into seconds. */
export function duration(option: string, { least, most } = { least: 0, most: Number.POSITIVE_INFINITY }): (given: string) => number {
  return (given) => {
    const [, count, unit] = /^(\d{1,7})([smhd])$/.exec(given) ?? []
    if (count === undefined || unit === undefined)
      throw new UsageError(`${option}: expected a duration such as 90s, 15m, 2h or 1d, got ${JSON.stringify(given)}`)
    const seconds = Number(count) * SECONDS[unit as keyof typeof SECONDS]
    if (seconds < least || seconds > most)
      throw new UsageError(`${option}: expected ${least} to ${most} seconds, got ${JSON.stringify(given)}`)
    return seconds
  }
}

/** Parses the fingerprint of a schema. */
export function fingerprint(option: string): (given: string) => string {
  return (given) => {
    if (!/^[0-9a-fA-F]{16}$/.test(given)) throw new UsageError(`${option}: expected 16 hexadecimal digits, got ${JSON.stringify(given)}`)
    return given.toLowerCase()
  }
}

/** Parses a number above 0. */
export function positive(option: string, what: 'whole' | 'any'): (given: string) => number {
  return (given) => {
    // Number would also accept "0x10", "1e3" and blanks.
    const value = /^\d+(\.\d+)?$/.test(given) ? Number(given) : Number.NaN
    if (!(value > 0) || !(what === 'whole' ? Number.isSafeInteger(value) : Number.isFinite(value)))
      throw new UsageError(`${option}: expected a ${what === 'whole' ? 'whole ' : ''}number above 0, got ${JSON.stringify(given)}`)
    return value
  }
}

/** Commander's error message, with what was expected, on one line. */
export function usageProblem(command: CommandUnknownOpts, { code, message }: CommanderError): string {
  const problem = message.replace(/^error: /, '').replace(/\s*\n\s*/g, ' ')
  switch (code) {
    case 'commander.help':
      return `expected ${either(command.commands.map((each) => each.name()))}`
    case 'commander.unknownCommand':
      return `${problem}, expected ${either(command.commands.map((each) => each.name()))}`
    case 'commander.excessArguments': {
      const taken = command.registeredArguments.map((argument) => `<${argument.name()}>`)
      return `expected ${taken.length === 0 ? 'no argument' : taken.join(' ')}, got ${command.args.map((each) => JSON.stringify(each)).join(' ')}`
    }
    case 'commander.unknownOption':
      return `${problem}, expected ${either([...command.options.map(({ flags }) => flags), '--help'])}`
    default:
      return problem
  }
}

function either(names: readonly string[]): string {
  return names.length < 2 ? names.join('') : `${names.slice(0, -1).join(', ')} or ${names.at(-1)}`
}
