import type { Facts } from './facts/facts.ts'
import { type Pinning, proposePinning } from './pinning.ts'
import type { Finding, Severity } from './rule.ts'
import { RULES } from './rules/rules.ts'
import { type Topology, topologyOf } from './topology.ts'

/** A finding, with the rule that it is of. */
export interface Diagnosis extends Finding {
  readonly rule: string
  readonly area: string
  readonly why: string
}

export interface Report {
  readonly diagnoses: readonly Diagnosis[]
  /** What was not looked at, and why. */
  readonly unseen: readonly string[]
  readonly topology: Topology
  readonly pinning: Pinning
}

/** Applies every rule. */
export function examine(facts: Facts): Report {
  const diagnoses = Object.entries(RULES).flatMap(([area, rules]) =>
    rules.flatMap(({ id, why, judge }) => judge(facts).map((finding): Diagnosis => ({ rule: id, area, why, ...finding }))),
  )
  return { diagnoses, unseen: unseen(facts), topology: topologyOf(facts), pinning: proposePinning(facts) }
}

function unseen({ databases, kafka, hiddenPlaces, system }: Facts): readonly string[] {
  return [
    ...(databases.tag === 'unseen' ? [`PostgreSQL: ${databases.why}`] : []),
    ...(kafka.tag === 'unseen' ? [`Kafka: ${kafka.why}`] : []),
    ...hiddenPlaces,
    ...(system.broker === undefined
      ? ['the MQTT broker: no settings of a Mosquitto are to be read here; docs/broker.md says what they should be']
      : []),
  ]
}

export function countOf({ diagnoses }: Report, severity: Severity): number {
  return diagnoses.filter((each) => each.severity === severity).length
}
