import type { FrameSchemas } from '../../processors/continuity/dead-letter-number.ts'
import { Intake } from '../../processors/continuity/intake.ts'
import { Ledger } from '../../processors/continuity/ledger.ts'
import { createStoreGate, type StoreGate } from '../../processors/continuity/store-gate.ts'
import type { DeadLetter } from '../../processors/dead-letter.ts'
import { store } from '../../processors/store/declaration.ts'
import { deadTopic, topics } from '../../processors/topics.ts'
import type { ClaimedPartitions } from '../claimed-partitions.ts'
import type { ContinuityCounters } from './counters.ts'
import type { Place } from './places.ts'

/** The store's dead letters. Without them nobody knows which samples have no row. */
export const STORE_DEAD = deadTopic(store.name)

export interface KnownDevices {
  ask(names: Iterable<string>): Promise<void>
  has(name: string): boolean
}

export interface StateOptions {
  readonly schemas: FrameSchemas
  /** Which names are devices: only these are in the ledger. */
  readonly devices: KnownDevices
  readonly decode: (value: Buffer) => DeadLetter
  readonly counters: ContinuityCounters
}

/** What is in memory of the claimed partitions. It is dropped when they are given up. */
export class ContinuityState {
  ledger: Ledger
  intake: Intake
  gate: StoreGate
  /** Kafka's ID of the topic of readings. */
  readingsId = ''
  /** Whether the store's dead letters about readings of partition n are on partition n too. */
  paired = true
  private readonly options: StateOptions

  constructor(options: StateOptions) {
    this.options = options
    this.ledger = new Ledger(options.counters)
    this.intake = this.newIntake()
    this.gate = createStoreGate()
  }

  forget(): void {
    this.ledger = new Ledger(this.options.counters)
    this.intake = this.newIntake()
    this.gate = createStoreGate()
  }

  private newIntake(): Intake {
    const { schemas, devices, decode, counters } = this.options
    return new Intake({ ledger: this.ledger, schemas, isDevice: (name) => devices.has(name), decode, counters })
  }
}

/**
 * Position up to which a partition of the readings is taken. Undefined if the partition is not
 * ours.
 */
export function readingsTaken(claimed: ClaimedPartitions<Place>, partition: number): bigint | undefined {
  return claimed.get({ topic: topics.readings, partition })?.position
}
