import { spawn } from 'node:child_process'
import { projectRoot } from '../../schemas/files.ts'
import { loadConfig } from '../../services/config.ts'
import { asKafkaOwner } from '../../services/kafka-users.ts'

/** Records that are sent in one transaction. */
export interface ForeignTransaction {
  readonly topic: string
  /** Values in base64. */
  readonly records: readonly { readonly key: string; readonly value: string }[]
  readonly end: 'commit' | 'abort'
}

/** Where and as whom to make which. */
export interface ForeignWork {
  readonly brokers: readonly string[]
  readonly caFile?: string | undefined
  readonly user?: { readonly username: string; readonly password: string } | undefined
  readonly transactions: readonly ForeignTransaction[]
}

/** Makes transactions one after another, in a process of its own: in this one, kafkajs is ours. */
export async function transact(transactions: readonly ForeignTransaction[]): Promise<void> {
  const child = spawn(process.execPath, [`${projectRoot}dist/test/adversary/foreign-producer.js`], { stdio: ['pipe', 'ignore', 'pipe'] })
  let errors = ''
  child.stderr.on('data', (chunk: Buffer) => (errors += String(chunk)))
  const { env } = asKafkaOwner(loadConfig(process.env, undefined))
  const { KAFKA_BROKERS: brokers, KAFKA_CA_FILE: caFile, KAFKA_USERNAME: username, KAFKA_PASSWORD: password } = env
  const user = username === undefined || password === undefined ? undefined : { username, password }
  const work: ForeignWork = { brokers: brokers.split(','), caFile, user, transactions }
  child.stdin.end(JSON.stringify(work))
  const code = await new Promise<number | null>((resolve, reject) => {
    child.once('error', reject)
    child.once('exit', resolve)
  })
  if (code !== 0) throw new Error(`the foreign producer exited with ${code}: ${errors}`)
}
