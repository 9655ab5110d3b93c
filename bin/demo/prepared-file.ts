import { existsSync, mkdirSync, statSync } from 'node:fs'
import { basename, dirname, join } from 'node:path'
import { judgeFile } from '../../ops/fleet/fleet-file.ts'
import { readFirmwares } from '../../schemas/files.ts'
import type { Firmware } from '../../schemas/firmware.ts'
import { ConfigError } from '../../services/config.ts'
import { firstLine, parseHeader } from './csv-lines.ts'
import { firmwaresFor } from './firmware-choice.ts'
import { FLEET_PROGRAM } from './fleets.ts'

/** A file whose every line can be sent. */
export interface PreparedFile {
  /** The user's name for it. */
  readonly name: string
  /** What is sent: the file, or a rounded copy. */
  readonly path: string
  readonly quantities: readonly string[]
  readonly firmware: Firmware
}

/**
 * Chooses the firmware that sends a file: among those that measure its quantities, the first that
 * can hold every value. It looks at every line, so that mistakes in the file are reported before
 * anything is started.
 * @param round whether values become the nearest that the firmware can hold; the rounded file goes
 *   into the local directory
 * @throws ConfigError that names the first lines that cannot be sent, their columns and values, and
 *   what was expected
 */
export async function prepareFile(file: string, local: string, round: boolean): Promise<PreparedFile> {
  if (!existsSync(file)) throw new ConfigError(`there is no file ${file}`)
  if (!statSync(file).isFile()) throw new ConfigError(`${file} is no file`)
  const quantities = parseHeader(await firstLine(file)).slice(2)
  const candidates = candidatesFor(file, quantities)
  const refusals: string[] = []
  for (const firmware of candidates) {
    const to = round ? join(local, 'fleet', 'rounded.csv') : undefined
    if (to !== undefined) mkdirSync(dirname(to), { recursive: true })
    const { taken, words } = await judgeFile({
      program: FLEET_PROGRAM,
      file,
      firmware: firmware.id,
      round,
      ...(to === undefined ? {} : { to }),
    })
    if (taken) return { name: basename(file), path: to ?? file, quantities, firmware }
    // For the first firmware the complaints are shown in full. For the others the last line is
    // enough.
    if (refusals.length === 0) refusals.push([`as firmware ${firmware.id}:`, ...words.map((line) => `  ${line}`)].join('\n'))
    else refusals.push(`as firmware ${firmware.id} neither: ${words.at(-1) ?? ''}`)
  }
  const hint = !round && refusals.some((words) => words.includes('--round')) ? '\nTo round its values: make run DATA=… ROUND=1' : ''
  throw new ConfigError(`${file} cannot be sent, and nothing was\n${refusals.join('\n')}${hint}`)
}

function candidatesFor(file: string, quantities: readonly string[]): readonly Firmware[] {
  const firmwares = readFirmwares().map(({ firmware }) => firmware)
  const built = firmwares.filter(({ id }) => id !== 'generic-json')
  const candidates = quantities.length === 0 ? [] : firmwaresFor(quantities, built)
  if (candidates.length > 0) return candidates
  const known = built.map(({ id, metrics }) => `  ${id}: ${metrics.map(({ standard }) => standard).join(', ')}`).join('\n')
  throw new ConfigError(
    `${file}: expected a header line of time, device and quantities of one firmware, got ${quantities.join(', ') || 'no quantity'}\n${known}`,
  )
}
