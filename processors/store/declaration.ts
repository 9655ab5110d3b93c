import type { ConsumerName } from '../contract.ts'
import type { DeclaredService } from '../declaration.ts'
import { topics } from '../topics.ts'
import { reasons } from './reasons.ts'

/** Readings → rows of the telemetry database. */
export const store = {
  kind: 'store',
  name: 'store' as ConsumerName,
  reads: [topics.readings],
  offsets: 'telemetry',
  fetching: {},
  writes: [],
  needs: ['schema'],
  reasons,
  metricsPort: 9465,
} as const satisfies DeclaredService
