import { expect } from 'chai'
import type { DeviceId, KafkaRecord, LookupName, Topic } from '../../processors/contract.ts'
import { loadConfig } from '../../services/config.ts'
import { openLookups } from '../../services/lookups.ts'
import { quiet } from '../pipeline/stack-clients.ts'
import { closing } from './closing.ts'
import { provision } from './messages.ts'

const device = `n${Date.now().toString(36)}-a` as DeviceId

describe('what a business process needs', () => {
  const { use } = closing()

  async function lookups(needs: readonly LookupName[]) {
    const from = { topic: 'telemetry.readings' as Topic, decode: () => undefined }
    const abort = new AbortController()
    return await use(openLookups({ from, needs }, { config: loadConfig(process.env, undefined), log: quiet, signal: abort.signal }))
  }

  before(() => provision(device))

  it('is looked up for it, and not ignored: assignments', async () => {
    const prepared = await lookups(['assignments'])
    const record: KafkaRecord = {
      offset: 0n,
      key: Buffer.from(device),
      value: null,
      timestampMs: 0,
    }
    await prepared.prepare([record])
    expect(prepared.assignments(device)).to.have.length(1)
  })

  it('is nothing that it does not ask for', async () => {
    const prepared = await lookups([])
    expect(prepared.assignments(device)).to.equal(undefined)
  })
})
