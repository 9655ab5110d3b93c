import type { ConsumedBatch } from '../../connectors/contract.ts'
import type { DeviceRejection } from '../../connectors/postgres/process-runner.ts'
import type { Lookups } from '../../processors/contract.ts'
import type { RefusedRecord } from '../../processors/dead-letter-writer.ts'
import { type BusinessProcess, type DeviceInputs, inputsByDevice } from '../../processors/process.ts'
import { UNDECODABLE } from '../processor/engine.ts'

/** The devices of a batch whose inputs will be committed, and the records that are refused. */
export class DeviceBatch {
  readonly consumed: ConsumedBatch
  left: readonly DeviceInputs<unknown>[]
  readonly refused: RefusedRecord[]
  /** What the source left out on purpose, by reason. */
  readonly dropped: ReadonlyMap<string, number>
  /**
   * Whether all refusals are known. Dead letters are written before the transaction. If some are
   * due already, the others must be known first, because all of them together decide whether the
   * partition stops.
   */
  known: boolean
  private written = 0

  constructor(businessProcess: BusinessProcess<unknown>, consumed: ConsumedBatch, lookups: Lookups) {
    const { devices, undecodable, dropped } = inputsByDevice(businessProcess, consumed.records, lookups)
    this.consumed = consumed
    this.left = devices
    this.dropped = dropped
    this.refused = undecodable.map(({ record, detail }) => this.refusedRecord(record, UNDECODABLE, detail))
    this.known = undecodable.length === 0
  }

  /** Refuses all records of these devices. */
  refuse(rejections: readonly DeviceRejection[]): void {
    for (const { device, reason, detail } of rejections) {
      for (const record of this.left.find((inputs) => inputs.device === device)?.records ?? [])
        this.refused.push(this.refusedRecord(record, reason, detail))
    }
    this.left = this.left.filter(({ device }) => rejections.every((rejection) => rejection.device !== device))
  }

  /** Refusals that have no dead letter yet. */
  unwritten(): readonly RefusedRecord[] {
    return this.refused.slice(this.written)
  }

  /** All refusals have their dead letters now. */
  deadLettersWritten(): void {
    this.written = this.refused.length
  }

  /** Indexes of the records that are refused, ascending. */
  bad(): readonly number[] {
    const refused = new Set(this.refused.map(({ record }) => record))
    return refused.size === 0 ? [] : this.consumed.records.flatMap((record, index) => (refused.has(record) ? [index] : []))
  }

  /** Refused records, by reason. */
  reasons(): ReadonlyMap<string, number> {
    const counts = new Map<string, number>()
    for (const { reason } of this.refused) counts.set(reason, (counts.get(reason) ?? 0) + 1)
    return counts
  }

  private refusedRecord(record: RefusedRecord['record'], reason: string, detail: string): RefusedRecord {
    const { topic, partition } = this.consumed
    return { topic, partition, samples: [], record, reason, detail }
  }
}
