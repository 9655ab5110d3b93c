import type { Position, TopicPartition } from '../contract.ts'

/**
 * The partitions of a member, and the position up to which each was handed on. Every assignment and
 * every claim begins a new generation. What was read before it is void.
 */
export class AssignedPartitions {
  private current = 0
  private places: readonly TopicPartition[] = []
  /** Absent while it is not known. */
  private readonly positions = new Map<string, Position>()

  get generation(): number {
    return this.current
  }

  get partitions(): readonly TopicPartition[] {
    return this.places
  }

  assign(partitions: readonly TopicPartition[]): void {
    this.places = partitions
  }

  /** Begins a generation, in which no position is known yet. */
  begin(): number {
    this.positions.clear()
    return ++this.current
  }

  isCurrent(generation: number): boolean {
    return generation === this.current
  }

  position({ topic, partition }: TopicPartition): Position | undefined {
    return this.positions.get(placeOf(topic, partition))
  }

  moveTo(position: Position): void {
    this.positions.set(placeOf(position.topic, position.partition), position)
  }
}

/** A partition's name, as in `telemetry.frames/3`. */
export function placeOf(topic: string, partition: number): string {
  return `${topic}/${partition}`
}
