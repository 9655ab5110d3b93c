import type { Rule } from '../rule.ts'
import { brokerRules } from './broker.ts'
import { diskRules } from './disk.ts'
import { kafkaRules } from './kafka.ts'
import { machineRules } from './machine.ts'
import { postgresRules } from './postgres.ts'

/** All rules, by the headings of docs/bare-metal.md. */
export const RULES: Readonly<Record<string, readonly Rule[]>> = {
  Machine: machineRules,
  Disks: diskRules,
  PostgreSQL: postgresRules,
  Kafka: kafkaRules,
  'MQTT broker': brokerRules,
}
