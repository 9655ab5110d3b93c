import { setTimeout as delay } from 'node:timers/promises'
import { expect } from 'chai'
import type { Position } from '../connectors/contract.ts'
import type { Topic } from '../processors/contract.ts'
import { createKafkaOffsets, type KafkaOffsets } from './kafka-offsets.ts'

const silent = { info: () => undefined, warn: () => undefined, error: () => undefined }
const at = (partition: number, nextOffset: bigint): Position => ({ topic: 't' as Topic, partition, nextOffset, leaderEpoch: 0 })

describe("offsets of a database's consumers, as Kafka is told them", () => {
  let told: string[]
  let lines: string[]
  let away: boolean
  let offsets: KafkaOffsets

  const open = (everyMs: number): void => {
    told = []
    lines = []
    away = false
    const commit = async (positions: readonly Position[]): Promise<void> => {
      attempts++
      if (away) throw new Error('Kafka is away')
      told.push(positions.map(({ partition, nextOffset }) => `${partition}:${nextOffset}`).join(' '))
    }
    offsets = createKafkaOffsets({ commit, log: { ...silent, info: (line) => lines.push(line) }, everyMs })
  }
  const until = async (holds: () => boolean): Promise<void> => {
    for (let turn = 0; turn < 1_000 && !holds(); turn++) await delay(1)
  }
  let attempts = 0
  afterEach(() => offsets[Symbol.asyncDispose]())

  it('go together, each once, with the latest of a partition', async () => {
    open(5)
    offsets.tell([at(0, 1n), at(1, 7n)])
    offsets.tell([at(0, 2n)])
    await until(() => told.length > 0)
    expect(told[0]).to.equal('0:2 1:7')
  })

  it('go again until Kafka has taken them', async () => {
    open(5)
    away = true
    attempts = 0
    offsets.tell([at(0, 1n)])
    await until(() => attempts > 2)
    away = false
    await until(() => told.length > 0)
    expect(told[0]).to.equal('0:1')
    expect(lines, 'one line for an outage, one for its end').to.deep.equal([
      'Kafka did not take the offsets; it is told again',
      'Kafka takes the offsets again',
    ])
  })

  it('go at the end, at once', async () => {
    open(60_000)
    offsets.tell([at(0, 9n)])
    await offsets[Symbol.asyncDispose]()
    expect(told).to.deep.equal(['0:9'])
  })

  it('are forgotten with the partitions', async () => {
    open(60_000)
    offsets.tell([at(0, 9n)])
    offsets.forget()
    await offsets[Symbol.asyncDispose]()
    expect(told).to.deep.equal([])
  })

  it('go again every now and then, for Kafka may lose what it took', async () => {
    open(1)
    offsets.tell([at(0, 3n)])
    await until(() => told.length > 1)
    expect(new Set(told)).to.deep.equal(new Set(['0:3']))
  })

  it('go again after one that Kafka never answered', async () => {
    const calls: string[] = []
    offsets = createKafkaOffsets({
      commit: async ([position]) => {
        calls.push(String(position?.nextOffset))
        if (calls.length === 1) await new Promise(() => undefined)
      },
      log: silent,
      everyMs: 1,
      deadlineMs: 20,
    })
    offsets.tell([at(0, 4n)])
    await until(() => calls.length > 1)
    expect(calls.slice(0, 2)).to.deep.equal(['4', '4'])
  })

  it('go again after a late one arrived, which may have put an old offset over a new one', async () => {
    let kafka: bigint | undefined
    let arrive = (): void => undefined
    let calls = 0
    offsets = createKafkaOffsets({
      commit: async ([position]) => {
        if (calls++ === 0) await new Promise<void>((resolve) => (arrive = resolve))
        kafka = position?.nextOffset
      },
      log: silent,
      everyMs: 5,
      deadlineMs: 20,
    })
    offsets.tell([at(0, 4n)])
    await until(() => calls > 0)
    offsets.tell([at(0, 5n)])
    await until(() => kafka === 5n)
    arrive()
    await until(() => kafka === 4n)
    // Sooner than everything is told again anyway.
    await Promise.race([until(() => kafka === 5n), delay(100)])
    expect(kafka).to.equal(5n)
  })

  it('never go two at a time: an older one that is tried again would come after a newer one', async () => {
    let [atOnce, most, calls] = [0, 0, 0]
    offsets = createKafkaOffsets({
      commit: async () => {
        calls++
        most = Math.max(most, ++atOnce)
        await delay(10)
        atOnce--
      },
      log: silent,
      everyMs: 1,
    })
    for (let offset = 1n; calls < 4; offset++) {
      offsets.tell([at(0, offset)])
      await delay(1)
    }
    expect(most).to.equal(1)
  })
})
