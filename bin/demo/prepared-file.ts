import { existsSync, mkdirSync, statSync } from 'node:fs'
import { basename, dirname, join } from 'node:path'
import { FileError, type FileOptions, standardFile } from '../../ops/file/standard-file.ts'
import { judgeFile } from '../../ops/fleet/fleet-file.ts'
import { daysOfYears, NEWEST_DAYS } from '../../processors/time-bounds.ts'
import { readFirmwares } from '../../schemas/files.ts'
import type { Firmware } from '../../schemas/firmware.ts'
import { ConfigError } from '../../services/config.ts'
import { firmwaresFor } from './firmware-choice.ts'
import { FLEET_PROGRAM } from './fleets.ts'

/**
 * How a file goes through the line: as frames of a firmware, or as JSON, which holds any decimal.
 */
export type FileWay =
  | { readonly tag: 'frames'; readonly firmware: Firmware }
  /** `why` says which value no firmware holds. */
  | { readonly tag: 'json'; readonly why: string }

/** A file that can be sent. */
export interface PreparedFile {
  /** The user's name for it. */
  readonly name: string
  /** What is sent: the file in standard form. */
  readonly path: string
  readonly quantities: readonly string[]
  readonly way: FileWay
  /** How it was read, in words. */
  readonly words: readonly string[]
  /** What is not sent, in words. */
  readonly leftOut: readonly string[]
  /** The first of these lines, and what is wrong with them. */
  readonly examples: readonly string[]
}

export interface PrepareOptions extends FileOptions {
  /** Whether values become the nearest that the firmware can hold. */
  readonly round: boolean
  /** How old the line lets samples be: time.oldest_years of the configuration. */
  readonly oldestYears: number
}

const MS_PER_DAY = 86_400_000

/**
 * Reads a file, writes it in standard form into the local directory, and chooses how it is sent:
 * as the firmware with the fewest metrics that holds every value, else as JSON. It looks at every
 * line, so that mistakes in the file are reported before anything is started.
 * @throws ConfigError that names the first lines that cannot be read, their columns and values, and
 *   what was expected
 */
export async function prepareFile(file: string, local: string, options: PrepareOptions): Promise<PreparedFile> {
  if (!existsSync(file)) throw new ConfigError(`there is no file ${file}`)
  if (!statSync(file).isFile()) throw new ConfigError(`${file} is no file`)
  const path = join(local, 'fleet', 'standard.csv')
  const now = Date.now()
  try {
    const { quantities, words, rejected, examples, empty } = await standardFile({
      path: file,
      to: path,
      options,
      oldest: (now - daysOfYears(options.oldestYears) * MS_PER_DAY) * 1000,
      newest: (now + NEWEST_DAYS * MS_PER_DAY) * 1000,
      span: `of the last ${options.oldestYears} years (time.oldest_years in millrace.yaml), or of the next day`,
    })
    const leftOut = [
      ...(empty === 0 ? [] : [`not sent: ${linesOf(empty)} without any value`]),
      ...[...rejected].map(([reason, count]) => `rejected: ${linesOf(count)} with ${reason}`),
    ]
    const chosen = await choose(path, local, quantities, options.round)
    return { name: basename(file), quantities, words, leftOut, examples, ...chosen }
  } catch (cause) {
    if (!(cause instanceof FileError)) throw cause
    const lines = cause.message.split('\n').map((line) => `  ${line}`)
    throw new ConfigError(`${file} cannot be sent, and nothing was\n${lines.join('\n')}`, { cause })
  }
}

function linesOf(count: number): string {
  return count === 1 ? '1 line' : `${count.toLocaleString('en')} lines`
}

async function choose(
  path: string,
  local: string,
  quantities: readonly string[],
  round: boolean,
): Promise<Pick<PreparedFile, 'path' | 'way'>> {
  const built = readFirmwares()
    .map(({ firmware }) => firmware)
    .filter(({ id }) => id !== 'generic-json')
  let why = 'no firmware measures all of these'
  let complained = false
  for (const firmware of firmwaresFor(quantities, built)) {
    const to = round ? join(local, 'fleet', 'rounded.csv') : undefined
    if (to !== undefined) mkdirSync(dirname(to), { recursive: true })
    const { taken, words } = await judgeFile({
      program: FLEET_PROGRAM,
      file: path,
      firmware: firmware.id,
      round,
      ...(to === undefined ? {} : { to }),
    })
    if (taken) return { path: to ?? path, way: { tag: 'frames', firmware } }
    // What the firmware with the fewest metrics does not hold is enough.
    if (!complained)
      why = `no firmware holds all of it: ${words[0]?.replace(/^line \d+, column \d+ \((\w+)\)/, '$1').replace(' (--round takes the nearest)', '')}`
    complained = true
  }
  return { path, way: { tag: 'json', why } }
}
