/** A batch of publishes that waits to be acknowledged. */
export interface Ticket {
  readonly packetIds: readonly number[]
  resolved: boolean
}

/**
 * PUBACKs of one connection, sent in the order in which the PUBLISH packets came (MQTT-4.6.0-2).
 */
export interface Acknowledgements {
  /** Queues a batch, in the order received. */
  add(packetIds: readonly number[]): Ticket
  /**
   * PUBACK packets for all resolved batches at the head, as one buffer; undefined if there is none.
   */
  take(): Buffer | undefined
  /** Packet identifiers not yet taken. */
  readonly waiting: number
}

const PUBACK = 0x40
/**
 * With reason code 0 (success) and no properties, both are left out (MQTT 5.0, section 3.4.2.1).
 */
const PUBACK_BYTES = 4

export function createAcknowledgements(): Acknowledgements {
  // A queue in an array: `head` moves, and the array is cut once half of it is behind. shift()
  // would move all of it each time.
  let tickets: Ticket[] = []
  let head = 0
  let waiting = 0
  return {
    add(packetIds) {
      const ticket = { packetIds, resolved: false }
      tickets.push(ticket)
      waiting += packetIds.length
      return ticket
    },
    take() {
      let until = head
      let count = 0
      for (let ticket = tickets[until]; ticket?.resolved; ticket = tickets[++until]) count += ticket.packetIds.length
      const pubacks = encodePubacks(tickets, head, until, count)
      head = until
      waiting -= count
      if (head * 2 >= tickets.length) {
        tickets = tickets.slice(head)
        head = 0
      }
      return pubacks
    },
    get waiting() {
      return waiting
    },
  }
}

function encodePubacks(tickets: readonly Ticket[], from: number, until: number, count: number): Buffer | undefined {
  if (count === 0) return undefined
  const bytes = Buffer.allocUnsafe(count * PUBACK_BYTES)
  let at = 0
  for (let index = from; index < until; index++) {
    for (const packetId of tickets[index]?.packetIds ?? []) {
      bytes[at] = PUBACK
      bytes[at + 1] = 2
      bytes[at + 2] = packetId >> 8
      bytes[at + 3] = packetId & 0xff
      at += PUBACK_BYTES
    }
  }
  return bytes
}
