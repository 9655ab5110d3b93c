#!/usr/bin/env -S node --enable-source-maps
import { CommanderError } from '@commander-js/extra-typings'
import { visibleLines } from '../processors/visible.ts'
import { createRedactor } from '../services/secrets.ts'
import { UsageError } from './command-line.ts'
import { nodeProblem } from './node-version.ts'
import { createProgram, inCommand } from './program.ts'

async function main(args: readonly string[]): Promise<void> {
  const problem = nodeProblem(process.versions.node)
  if (problem !== undefined) throw new UsageError(problem)
  const program = createProgram()
  if (args.length === 0) return program.outputHelp()
  try {
    await program.parseAsync(args, { from: 'user' })
  } catch (cause) {
    if (cause instanceof UsageError) throw new UsageError(inCommand(program, args, cause.message))
    // Help was printed.
    if (!(cause instanceof CommanderError)) throw cause
  }
}

/** Prints what went wrong, on one line if it is no defect of ours, and returns the exit code. */
async function report(cause: unknown): Promise<number> {
  // Loaded only now, because they load the libraries for Kafka and PostgreSQL.
  const { ConfigError } = await import('../services/config.ts')
  const { expectedFailure } = await import('../services/expected.ts')
  const usage = cause instanceof UsageError || cause instanceof ConfigError
  const expected = usage ? cause.message : expectedFailure(cause)
  const text = expected ?? (cause instanceof Error ? (cause.stack ?? cause.message) : String(cause))
  process.stderr.write(`${visibleLines(createRedactor(process.env)(`millrace: ${text}`))}\n`)
  return usage ? 2 : 1
}

// The reader of our output may close the pipe: that is no failure. Commands that print without end
// watch for it (dead export, status).
for (const stream of [process.stdout, process.stderr])
  stream.on('error', (cause: NodeJS.ErrnoException) => {
    if (cause.code !== 'EPIPE') throw cause
  })
process.on('uncaughtException', (cause) => {
  void report(cause).finally(() => process.exit(1))
})
try {
  await main(process.argv.slice(2))
} catch (cause) {
  process.exitCode = await report(cause)
}
// A failed command may have left something open, which must not keep the process alive.
if (process.exitCode) process.exit()
