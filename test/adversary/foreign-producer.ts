/**
 * A producer that is none of ours, as a program: kafkajs as it is, which knows transactions. So it
 * imports nothing of Millrace. Takes a `ForeignWork` as JSON on standard input, and makes its
 * transactions one after another.
 */
import { readFileSync } from 'node:fs'
import { Kafka, logLevel, Partitioners } from 'kafkajs'
import type { ForeignWork } from './foreign-transactions.ts'

let input = ''
for await (const chunk of process.stdin) input += String(chunk)
const { brokers, caFile, user, transactions } = JSON.parse(input) as ForeignWork
const kafka = new Kafka({
  brokers: [...brokers],
  clientId: 'foreign',
  logLevel: logLevel.NOTHING,
  ...(caFile === undefined ? {} : { ssl: { ca: [readFileSync(caFile)] } }),
  ...(user === undefined ? {} : { sasl: { mechanism: 'scram-sha-512', ...user } }),
})
const producer = kafka.producer({
  transactionalId: `foreign-${process.hrtime.bigint()}`,
  idempotent: true,
  maxInFlightRequests: 1,
  createPartitioner: Partitioners.DefaultPartitioner,
})
await producer.connect()
for (const { topic, records, end } of transactions) {
  const transaction = await producer.transaction()
  await transaction.send({ topic, messages: records.map(({ key, value }) => ({ key, value: Buffer.from(value, 'base64') })) })
  if (end === 'commit') await transaction.commit()
  else await transaction.abort()
}
await producer.disconnect()
