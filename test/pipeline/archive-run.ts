import { archiveOnce, type RunOptions } from './archive-once.ts'

// A run in a process of its own, to be killed: its options are the argument, as JSON. It says when
// it is ready, and begins when it is told to.
const options = JSON.parse(process.argv[2] ?? '') as RunOptions
await import('@duckdb/node-api')
process.stdout.write('ready\n')
process.stdin.once('data', async () => {
  await archiveOnce(options)
  process.stdin.destroy()
})
