/**
 * Checks each schema against the one that the last release had (git tag v*), or else main's first
 * parent: what is new must read what was written.
 */
import { execFileSync } from 'node:child_process'
import avro from 'avsc'
import { projectRoot, readFirmwares, readOwnSchemas, readSchema } from '../schemas/files.ts'

const standard = [...['readings', 'device-status', 'raw', 'dead-letter'].map((name) => readSchema(name)), ...readOwnSchemas()]
const firmwares = readFirmwares().map(({ file }) => file)
const base = releasedCommit()
let refused = 0
for (const { path, json } of [...standard, ...firmwares]) {
  const earlier = committed(base, path)
  if (earlier === undefined) continue
  try {
    const reader = avro.Type.forSchema(json as avro.Schema, { wrapUnions: true })
    reader.createResolver(avro.Type.forSchema(earlier as avro.Schema, { wrapUnions: true }))
  } catch (cause) {
    refused++
    console.error(`${path} cannot read what its version of ${base} wrote: ${cause instanceof Error ? cause.message : String(cause)}`)
  }
}
process.exitCode = refused === 0 ? 0 : 1

function git(...args: readonly string[]): string | undefined {
  try {
    return execFileSync('git', [...args], { cwd: projectRoot, encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] }).trim()
  } catch {
    return undefined
  }
}

/** The newest release, or the oldest commit there is. */
function releasedCommit(): string {
  return git('describe', '--tags', '--abbrev=0', '--match', 'v*') ?? git('rev-list', '--max-parents=0', 'HEAD') ?? 'HEAD'
}

function committed(commit: string, path: string): unknown {
  const text = git('show', `${commit}:${path}`)
  return text === undefined ? undefined : (JSON.parse(text) as unknown)
}
