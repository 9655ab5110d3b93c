import type { KafkaLogs } from '../../connectors/contract.ts'
import type { KafkaAdmin } from '../../connectors/kafka/client.ts'
import { offsetsAt } from '../../connectors/kafka/topics.ts'
import { frameFiles, type KnownFrameFile } from '../../connectors/postgres/archived-frames.ts'
import { databaseTime } from '../../connectors/postgres/clock.ts'
import type { Session } from '../../connectors/postgres/session.ts'
import type { Topic } from '../../processors/contract.ts'
import { clockFault } from '../../processors/store/partition-plan.ts'
import { DAY_MS } from '../../processors/store/time-ranges.ts'
import { topics } from '../../processors/topics.ts'

/** Topics that are archived: what devices sent. Everything else follows from it. */
export const ARCHIVED_TOPICS: readonly Topic[] = [topics.frames, topics.raw]

/** Records of a partition that are due: those of days that are over. */
export interface DueRange {
  readonly topic: Topic
  readonly topicId: string
  readonly partition: number
  readonly from: bigint
  readonly end: bigint
  /** Records before `from` that Kafka deleted before they were archived: the first of them. */
  readonly lostFrom: bigint | undefined
}

export interface FramesPlan {
  readonly due: readonly DueRange[]
  /** Files that a killed run left in between. */
  readonly unfinished: readonly KnownFrameFile[]
  /** Files that storage.archive_frames_retention_days lets go. */
  readonly remove: readonly KnownFrameFile[]
}

export interface FramesLook {
  readonly session: Session
  readonly logs: Pick<KafkaLogs, 'topics' | 'extents'>
  readonly admin: KafkaAdmin
  readonly topics: readonly Topic[]
  /** The archive: files elsewhere are left alone. */
  readonly location: string
  readonly retentionDays: number | undefined
  readonly nowMs: () => number
  /** What time it is for the database; a test moves it along. */
  readonly databaseMs?: () => Promise<number>
}

/** Records of the last minutes of a day may be on their way when it is over. */
const SETTLED_MS = 600_000

/** What is to be archived and removed; in words why nothing is. */
export async function framesPlan(look: FramesLook): Promise<FramesPlan | string> {
  const { session, logs, admin, topics: wanted, location, retentionDays } = look
  const nowMs = look.nowMs()
  const fault = clockFault({ nowMs, databaseMs: await (look.databaseMs?.() ?? databaseTime(session)) })
  if (fault !== undefined) return fault
  const untilMs = Math.floor((nowMs - SETTLED_MS) / DAY_MS) * DAY_MS
  const due: DueRange[] = []
  const all: KnownFrameFile[] = []
  for (const [topic, { id: topicId }] of await logs.topics(wanted)) {
    const files = await frameFiles(session, topic)
    all.push(...files.filter((file) => file.location === location))
    const ends = await offsetsAt(admin, topic, untilMs)
    for (const { partition, earliest, end: last } of await logs.extents(topic)) {
      const own = files.filter((file) => file.topicId === topicId && file.partition === partition)
      // A file that was never whole in its place is taken again.
      const known = own.filter(({ state }) => state !== 'placing').at(-1)?.next
      const from = known === undefined || known < earliest ? earliest : known
      const end = ends.get(partition) ?? last
      if (from < end)
        due.push({ topic, topicId, partition, from, end, lostFrom: known !== undefined && known < earliest ? known : undefined })
    }
  }
  const cutoffMs = retentionDays === undefined ? Number.NEGATIVE_INFINITY : untilMs - retentionDays * DAY_MS
  return {
    due,
    unfinished: all.filter(({ state }) => state === 'placing' || state === 'removing'),
    remove: all.filter(({ state, lastMs }) => state === 'archived' && lastMs < cutoffMs),
  }
}

/** Whether a run would do something. What is wrong with the clock, a run says. */
export async function areFramesDue(look: FramesLook): Promise<boolean> {
  const plan = await framesPlan(look)
  return typeof plan === 'string' || plan.due.length + plan.unfinished.length + plan.remove.length > 0
}
