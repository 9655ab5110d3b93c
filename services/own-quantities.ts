import { readFileSync } from 'node:fs'
import { dirname, resolve } from 'node:path'
import { isObject } from '../schemas/json.ts'
import { declareOwnQuantities, OwnQuantitiesError, parseOwnQuantities } from '../schemas/own-quantities.ts'
import type { Quantity } from '../schemas/quantities.ts'
import { readSchema } from '../schemas/schema-file.ts'
import { ConfigError, readConfigFile } from './config-file.ts'

/**
 * Declares the quantities of the file that the configuration names under `quantities`, if it names
 * one. It runs before the code of a command is loaded, so it imports nothing that looks at them
 * (docs/adr/0029-quantities-of-a-deployment.md).
 * @throws ConfigError that names the file, the field and what was expected
 */
export function declareConfiguredQuantities(env: NodeJS.ProcessEnv, configFile: string | undefined): void {
  declareOwnQuantities(configuredQuantities(env, configFile))
}

/**
 * Reads them, as they are now.
 * @throws ConfigError that names the file, the field and what was expected
 */
export function configuredQuantities(env: NodeJS.ProcessEnv, configFile: string | undefined): readonly Quantity[] {
  const { path, content } = readConfigFile(env, configFile)
  // Another value than a path is refused with all else that the configuration may have wrong.
  const file = isObject(content) && typeof content.quantities === 'string' ? content.quantities : undefined
  return file === undefined ? [] : readOwnQuantities(resolve(dirname(path), file), `${path}: quantities`)
}

/** @param place that names the file, for errors of opening it */
function readOwnQuantities(file: string, place: string): readonly Quantity[] {
  let text: string
  try {
    text = readFileSync(file, 'utf8')
  } catch (cause) {
    throw new ConfigError(`${place}: expected a file that can be read, got ${file}: ${cause instanceof Error ? cause.message : cause}`, {
      cause,
    })
  }
  try {
    return parseOwnQuantities(JSON.parse(text) as unknown, readSchema('readings').json)
  } catch (cause) {
    if (!(cause instanceof OwnQuantitiesError || cause instanceof SyntaxError)) throw cause
    const lines = cause.message.split('\n').map((line) => `${file}: ${cause instanceof SyntaxError ? `expected JSON: ${line}` : line}`)
    throw new ConfigError(lines.join('\n'), { cause })
  }
}
