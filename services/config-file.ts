import { existsSync, readFileSync } from 'node:fs'
import { parse } from 'yaml'

/**
 * A configuration that cannot be used; the message names each place, what is there and what was
 * expected.
 */
export class ConfigError extends Error {
  readonly code = 'CONFIG'
  readonly transient = false
}

/** The default configuration file. If it does not exist, the defaults hold. */
const DEFAULT_CONFIG_FILE = 'millrace.yaml'

/** The configuration file, as it stands there. */
export interface ConfigFile {
  readonly path: string
  /** Parsed; an empty object if there is no file. */
  readonly content: unknown
}

/**
 * Reads the configuration file, unchecked.
 * @param path as on the command line; otherwise $MILLRACE_CONFIG, or millrace.yaml if it is there
 * @throws ConfigError if it is no YAML, or not there although it was named
 */
export function readConfigFile(env: NodeJS.ProcessEnv, path: string | undefined): ConfigFile {
  const named = path ?? env.MILLRACE_CONFIG
  const chosen = named ?? DEFAULT_CONFIG_FILE
  if (!existsSync(chosen)) {
    if (named !== undefined) throw new ConfigError(`there is no configuration file ${named}`)
    return { path: chosen, content: {} }
  }
  try {
    return { path: chosen, content: (parse(readFileSync(chosen, 'utf8')) as unknown) ?? {} }
  } catch (cause) {
    throw new ConfigError(`${chosen}: ${cause instanceof Error ? cause.message : String(cause)}`, { cause })
  }
}
