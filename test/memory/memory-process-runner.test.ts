import { ConnectorError } from '../../connectors/contract.ts'
import { processRunnerConformance } from '../conformance/process-runner.ts'
import { MemoryDatabase } from './memory-database.ts'
import { MemoryProcessRunner, type Statement } from './memory-process-runner.ts'

/** What the statement of `sums` does. */
const add: Statement = (table, [device, item]) => {
  const sum = (table.get(String(device)) ?? 0n) + BigInt(Number(item))
  if (sum >= 600n) throw new ConnectorError('23514', false, 'violates check constraint "sums_sum_check"')
  table.set(String(device), sum)
}

processRunnerConformance('in memory', async () => {
  const database = new MemoryDatabase()
  const runner = new MemoryProcessRunner(database, add)
  return {
    runner,
    cutNext: (_statement, when) => database.cutNext(when),
    sums: async () => [...runner.table].sort().map(([device, sum]) => ({ device, sum })),
    offsets: async () => database.offsets().map(({ next_offset, stored, dead }) => ({ next_offset, stored, dead })),
    async [Symbol.asyncDispose]() {},
  }
})
