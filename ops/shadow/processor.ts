import type { Log } from '../../connectors/contract.ts'
import { openAdmin } from '../../connectors/kafka/client.ts'
import { committedOffsets } from '../../connectors/kafka/committed-positions.ts'
import { partitionOf } from '../../connectors/kafka/partition.ts'
import { createRecordReader } from '../../connectors/kafka/record-reader.ts'
import { topicExtents } from '../../connectors/kafka/scan.ts'
import { largestValue, offsetsAt, topicNames } from '../../connectors/kafka/topics.ts'
import type { KafkaRecord, OutgoingRecord, Topic } from '../../processors/contract.ts'
import type { DeclaredProcessor } from '../../processors/declaration.ts'
import { deadTopic, topics } from '../../processors/topics.ts'
import type { Config } from '../../services/config.ts'
import { countPartitions, kafkaClient, topicLimits } from '../../services/kafka.ts'
import { openApart } from '../../services/processor/apart.ts'
import { throughOutages } from '../../services/through-outages.ts'
import { openDeadLetters } from '../dead-letters/reader.ts'
import { compareItems } from './compare.ts'
import { compareDead, type DeadPart, MOST_REFUSED, partOf, RefusedInputs } from './dead-letters.ts'
import { openDecoders } from './decoders.ts'
import type { Item } from './items.ts'
import { createRange, sliceEnd } from './range.ts'
import type { ShadowReport } from './report.ts'
import { type Group, isAlike, lacks, type OutputRecord, type Place, Window } from './window.ts'

/** The slice of the source's topic that is asked for. */
export interface Slice {
  /** Record timestamps, milliseconds since 1970: from, inclusive, to, exclusive. */
  readonly fromMs: number
  readonly toMs: number
  /** Keys of the inputs; empty for all. */
  readonly devices: ReadonlySet<string>
  /** Most inputs. */
  readonly most: number
}

export interface ShadowOptions {
  readonly config: Config
  readonly declared: DeclaredProcessor
  readonly slice: Slice
  readonly report: ShadowReport
  readonly log: Log
  /** Ends the run. What was compared by then is in the report. */
  readonly signal: AbortSignal
  /** Called after each window. */
  readonly progress: () => void
}

/** A window is compared when it has this many inputs, or this many bytes of outputs. */
const WINDOW_INPUTS = 5_000
const WINDOW_BYTES = 32 << 20
/** Clocks of the source's producers are apart by less than this. */
const SLACK_MS = 60_000
/**
 * How many records are read on for outputs that are missing: another processor that writes the same
 * topic may be far ahead, so that older times come after newer ones.
 */
const READ_AHEAD = 100_000n

/**
 * Runs the working copy over a slice of its source's topic, and compares what it gives with what
 * the deployed one gave. It publishes nothing, registers nothing, joins no group and commits
 * nothing. One partition of the source after the other, a window of inputs at a time. Waits
 * through outages.
 */
export async function shadowProcessor(options: ShadowOptions): Promise<void> {
  const { config, declared, slice, report, log, signal, progress } = options
  const { name, processor } = declared
  const source = processor.from.topic
  const outputs = [...new Set(Object.values(processor.to).map(({ topic }) => topic))]
  const dead = deadTopic(name)
  const kafka = kafkaClient(config, 'millrace-shadow', log)
  const persist = <Result>(doing: string, work: () => Promise<Result>): Promise<Result> => throughOutages(doing, work, { log, signal })
  await using admin = openAdmin(kafka)
  const existing = new Set(await persist('asking Kafka for topics', () => topicNames(admin)))
  // A working copy may have an output that the deployed one does not have.
  const there = outputs.filter((topic) => existing.has(topic))
  for (const topic of outputs)
    if (!existing.has(topic)) report.notes.add(`Kafka has no topic ${topic}: all that the working copy gives to it is new`)
  const counts = await countPartitions(kafka, [source, ...there])
  await using reader = createRecordReader(kafka)
  const range = createRange({ reader, log, signal })
  await using apart = await openApart(declared, {
    config,
    limits: new Map([
      ...outputs.map((topic) => [topic, largestValue(config.topics.max_message_bytes)] as const),
      ...(there.length === 0 ? [] : await topicLimits(kafka, config, there)),
    ]),
    anchors: 'presumed',
    log,
    signal,
  })
  const { codec } = apart
  await using decoders = await openDecoders(options, outputs)
  const refused = await readRefused(options, source, dead)
  if (refused.overflowed)
    report.notes.add(`dead letters were not compared: there are more than those of ${MOST_REFUSED} inputs; take a shorter slice`)

  const committed = await committedOffsets(admin, name, source)
  const extents = await topicExtents(kafka, source)
  const [firsts, ends] = [await offsetsAt(admin, source, slice.fromMs), await offsetsAt(admin, source, slice.toMs)]
  const outputExtents = new Map(
    await Promise.all(
      there.map(async (topic) => [topic, new Map((await topicExtents(kafka, topic)).map((each) => [each.partition, each]))] as const),
    ),
  )
  const oldest = new Map<string, number>()

  /** The time of the first record that Kafka still has, if it has deleted some; else -Infinity. */
  async function oldestMs(topic: Topic, partition: number): Promise<number> {
    const place = `${topic}/${partition}`
    const known = oldest.get(place)
    if (known !== undefined) return known
    const extent = outputExtents.get(topic)?.get(partition)
    let found = Number.NEGATIVE_INFINITY
    if (extent !== undefined && extent.earliest > 0n) {
      found = Number.POSITIVE_INFINITY
      for await (const [first] of range(topic, partition, extent.earliest, extent.end)) {
        if (first === undefined) continue
        found = first.timestampMs
        break
      }
    }
    oldest.set(place, found)
    return found
  }

  /** Compares the dead letters of one input. */
  function judgeDead(place: Place, record: KafkaRecord, sent: readonly OutgoingRecord[]): void {
    if (refused.overflowed) return
    const working = sent
      .filter(({ topic }) => topic === dead)
      .map(({ value }) => codec.decode(value))
      .map((deadLetter): DeadPart => ({ reason: deadLetter.reason, part: partOf(deadLetter) }))
    const deployed = refused.of(place.partition, place.offset)?.open ?? []
    const { added, gone } = compareDead(working, deployed)
    report.deadAlike += working.length - added.length
    const device = record.key?.toString('utf8') ?? null
    for (const reason of added) report.noted(`${dead} (only the working copy)`, place, device, null, reason)
    for (const reason of gone) report.noted(`${dead} (only the deployed one)`, place, device, reason, null)
  }

  /** Partitions that may have outputs of a key. A topic may have got partitions since. */
  function partitionsOf(topic: Topic, key: Buffer | null, own: number): readonly number[] {
    const count = counts.get(topic) ?? 0
    if (key === null) return Array.from({ length: count }, (_, partition) => partition)
    return [...new Set([partitionOf(key, count), own])].filter((partition) => partition < count)
  }

  async function readDeployed(window: Window, topic: Topic, own: number): Promise<void> {
    const byPartition = new Map<number, Group[]>()
    for (const group of window.groups) {
      if (group.topic !== topic) continue
      for (const partition of partitionsOf(topic, group.key, own)) {
        const groups = byPartition.get(partition)
        if (groups === undefined) byPartition.set(partition, [group])
        else groups.push(group)
      }
    }
    const begins = await persist(`asking for offsets of ${topic}`, () => offsetsAt(admin, topic, window.firstMs))
    const usual = await persist(`asking for offsets of ${topic}`, () => offsetsAt(admin, topic, window.lastMs + SLACK_MS))
    for (const [partition, groups] of byPartition) {
      const end = outputExtents.get(topic)?.get(partition)?.end ?? 0n
      const read = async (from: bigint, to: bigint, whole: boolean): Promise<void> => {
        for await (const records of range(topic, partition, from, to < end ? to : end)) {
          for (const record of records) window.take(topic, record)
          if (!whole && !groups.some(lacks)) return
        }
      }
      const until = usual.get(partition) ?? end
      await read(begins.get(partition) ?? end, until, true)
      // What a redrive wrote is at the end, whatever its time.
      if (groups.some(({ redriven }) => redriven)) await read(until, end, true)
      else if (groups.some(lacks)) await read(until, until + READ_AHEAD, false)
    }
  }

  async function compare(window: Window, own: number): Promise<void> {
    if (window.inputs === 0) return
    for (const topic of there) await readDeployed(window, topic, own)
    for (const group of window.groups) {
      report.sameRecords += group.found.size
      if (isAlike(group)) continue
      const { topic, place, key } = group
      if (lacks(group)) {
        const ages = await Promise.all(partitionsOf(topic, key, own).map((partition) => oldestMs(topic, partition)))
        if (ages.some((ms) => group.timestampMs < ms)) {
          report.cut++
          continue
        }
      }
      report.sameRecords -= group.found.size
      const deployed: Item[] = []
      for (const record of recordsOf(group)) {
        try {
          for (const item of await decoders.deployed(topic, record.output, record.own)) deployed.push(item)
        } catch (cause) {
          report.noted(
            `${topic} (cannot be read)`,
            place,
            key?.toString('utf8') ?? null,
            cause instanceof Error ? cause.message : String(cause),
            null,
          )
        }
      }
      const working = [...group.working.values()].flatMap((record) => decoders.working(topic, record))
      report.compared(topic, place, compareItems(working, deployed, topic === topics.readings))
    }
    report.inputs += window.inputs
    report.repeats += window.repeats
    if (window.unheld > 0) report.notes.add('more outputs of one key and time than are kept were not compared')
    progress()
  }

  let taken = 0
  for (const { partition, earliest, end: last } of extents) {
    const begin = firsts.get(partition) ?? last
    if (begin === earliest && earliest > 0n)
      report.notes.add(`Kafka has deleted what was in ${source}/${partition} before offset ${earliest}`)
    const end = sliceEnd(begin, ends.get(partition), last)
    const limit = committed.get(partition)?.nextOffset ?? begin
    const until = limit < end ? limit : end
    if (end > begin && until < end) report.notYet += Number(end - (until > begin ? until : begin))
    let window = new Window(outputs)
    for await (const records of range(source, partition, begin, until)) {
      const chosen = records.filter(
        ({ timestampMs, key }) =>
          timestampMs >= slice.fromMs &&
          timestampMs < slice.toMs &&
          (slice.devices.size === 0 || slice.devices.has(key?.toString('utf8') ?? '')),
      )
      if (chosen.length === 0) continue
      await apart.prepare(chosen)
      for (const record of chosen) {
        if (taken === slice.most) break
        // Inputs of one key and time are compared together.
        if ((window.inputs >= WINDOW_INPUTS || window.bytes >= WINDOW_BYTES) && record.timestampMs !== window.lastMs) {
          await compare(window, partition)
          window = new Window(outputs)
        }
        taken++
        const place = { topic: source, partition, offset: record.offset }
        const sent = await apart.run([record], { topic: source, partition, nowMs: record.timestampMs })
        judgeDead(place, record, sent)
        window.expect(
          place,
          record,
          sent.filter(({ topic }) => topic !== dead),
          refused.of(partition, record.offset)?.redriven === true,
        )
      }
      if (taken === slice.most) break
    }
    await compare(window, partition)
    if (taken === slice.most) {
      report.notes.add(`not compared: what is after the first ${slice.most} inputs (--most)`)
      return
    }
  }
}

/** What the deployed one gave, and whether it has the bytes of the working copy's. */
function recordsOf({ working, found, deployed }: Group): readonly { readonly output: OutputRecord; readonly own: boolean }[] {
  return [
    ...[...found].flatMap((name) => working.get(name) ?? []).map((output) => ({ output, own: true })),
    ...[...deployed.values()].map((output) => ({ output, own: false })),
  ]
}

/** Reads what the deployed one refused of the slice. A dead letter comes after its input. */
async function readRefused({ config, slice, report, log, signal }: ShadowOptions, source: Topic, dead: Topic): Promise<RefusedInputs> {
  const found = new RefusedInputs()
  const deadLetters = openDeadLetters(config, { ...log, info: () => undefined }, signal)
  if (!(await deadLetters.topics()).includes(dead)) {
    report.notes.add(`there is no topic ${dead}: the deployed one has no dead letters`)
    return found
  }
  const settled = await deadLetters.settled(dead)
  if (settled === undefined) report.notes.add('dead letters count as open: the database does not say which ones a redrive has settled')
  const kafka = kafkaClient(config, 'millrace-shadow', log)
  await using admin = openAdmin(kafka)
  const firsts = await offsetsAt(admin, dead, Math.max(0, slice.fromMs - SLACK_MS))
  const extents = (await deadLetters.extents(dead)).map((extent) => ({
    ...extent,
    earliest: firsts.get(extent.partition) ?? extent.earliest,
  }))
  await deadLetters.read(
    dead,
    (each) => {
      if (each === null || each.deadLetter.source_topic !== source) return undefined
      const { deadLetter, partition, offset } = each
      const times = deadLetter.records.length > 0 ? deadLetter.records.map(({ timestamp }) => timestamp) : [deadLetter.source_timestamp]
      if (times.some((ms) => ms >= slice.fromMs && ms < slice.toMs)) found.add(deadLetter, settled?.get(partition)?.has(offset) === true)
      return undefined
    },
    extents,
  )
  return found
}
