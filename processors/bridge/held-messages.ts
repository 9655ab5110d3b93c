/**
 * Messages that wait for their time, the earliest first. Messages of one time keep the order in
 * which they came.
 */
export class HeldMessages<Message> {
  private readonly queue: { readonly dueMs: number; readonly message: Message }[] = []

  get size(): number {
    return this.queue.length
  }

  /** When the first one is due; undefined if none waits. */
  get nextDueMs(): number | undefined {
    return this.queue[0]?.dueMs
  }

  add(message: Message, dueMs: number): void {
    let [low, high] = [0, this.queue.length]
    while (low < high) {
      const middle = (low + high) >> 1
      if ((this.queue[middle]?.dueMs ?? 0) <= dueMs) low = middle + 1
      else high = middle
    }
    this.queue.splice(low, 0, { dueMs, message })
  }

  /** Removes and returns those that are due. */
  takeDue(nowMs: number): readonly Message[] {
    const index = this.queue.findIndex(({ dueMs }) => dueMs > nowMs)
    return this.queue.splice(0, index < 0 ? this.queue.length : index).map(({ message }) => message)
  }
}
