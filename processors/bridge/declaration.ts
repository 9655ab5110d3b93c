import { deviceStatusSchema } from '../../schemas/generated/device-status.ts'
import { rawSchema } from '../../schemas/generated/raw.ts'
import type { ConsumerName } from '../contract.ts'
import type { DeclaredService } from '../declaration.ts'
import { topics } from '../topics.ts'
import { reasons } from './reasons.ts'

/** MQTT publishes → the same bytes on Kafka. */
export const bridge = {
  kind: 'bridge',
  name: 'bridge' as ConsumerName,
  reads: [],
  offsets: 'kafka',
  fetching: {},
  writes: [
    { topic: topics.frames },
    { topic: topics.raw, schema: rawSchema },
    { topic: topics.deviceStatus, schema: deviceStatusSchema },
    { topic: topics.clock, holds: 'clock' },
    { topic: topics.pulse, holds: 'clock' },
    { topic: topics.bridgeSession, holds: 'latest' },
  ],
  needs: ['firmware'],
  reasons,
  metricsPort: 9464,
} as const satisfies DeclaredService
