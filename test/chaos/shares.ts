/** How a run's minutes are shared out among its phases. */
export interface Shares {
  readonly mainS: number
  readonly brokerS: number
  /** Of all attacks of hostile devices, which take as long as they take. */
  readonly rounds: number
}

const BROKER_SHARE = 0.12
const BROKER_MOST_S = 120
const BROKER_LEAST_S = 25
/** What a round of attacks takes, and the faults of Kafka's logs. */
const HOSTILE_S = 50
const LOGS_S = 75
const ROUND_MINUTES = 10
/** However short the run. */
const MAIN_LEAST_SHARE = 0.4

export function sharesOf(minutes: number): Shares {
  const allS = minutes * 60
  const brokerS = Math.max(BROKER_LEAST_S, Math.min(BROKER_MOST_S, allS * BROKER_SHARE))
  const rounds = Math.max(1, Math.floor(minutes / ROUND_MINUTES))
  return { brokerS, rounds, mainS: Math.max(allS * MAIN_LEAST_SHARE, allS - brokerS - rounds * HOSTILE_S - LOGS_S) }
}
