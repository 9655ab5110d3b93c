import { spawn } from 'node:child_process'
import { projectRoot } from '../../schemas/files.ts'

/** Records that are sent in one transaction. */
export interface ForeignTransaction {
  readonly topic: string
  /** Values in base64. */
  readonly records: readonly { readonly key: string; readonly value: string }[]
  readonly end: 'commit' | 'abort'
}

/** Makes transactions one after another, in a process of its own: in this one, kafkajs is ours. */
export async function transact(transactions: readonly ForeignTransaction[]): Promise<void> {
  const child = spawn(process.execPath, [`${projectRoot}dist/test/adversary/foreign-producer.js`], { stdio: ['pipe', 'ignore', 'pipe'] })
  let errors = ''
  child.stderr.on('data', (chunk: Buffer) => (errors += String(chunk)))
  child.stdin.end(JSON.stringify(transactions))
  const code = await new Promise<number | null>((resolve, reject) => {
    child.once('error', reject)
    child.once('exit', resolve)
  })
  if (code !== 0) throw new Error(`the foreign producer exited with ${code}: ${errors}`)
}
