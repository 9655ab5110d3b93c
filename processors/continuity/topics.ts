import type { ConsumerName, Topic } from '../contract.ts'
import { deadTopic, topics } from '../topics.ts'

/** Consumer group of the ledger of frames. */
export const CONTINUITY = 'continuity' as ConsumerName

/** The topics that say what became of frames. Partition n of each must have the same devices. */
export const continuityTopics: readonly Topic[] = [topics.readings, deadTopic('standardise'), deadTopic('store'), deadTopic('bridge')]
