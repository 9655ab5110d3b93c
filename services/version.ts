import { readFileSync } from 'node:fs'
import { projectRoot } from '../schemas/files.ts'

/** The project's version, as dead letters name it. */
export const version: string = (JSON.parse(readFileSync(`${projectRoot}package.json`, 'utf8')) as { version: string }).version
