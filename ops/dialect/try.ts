import { ignoreReasons, reasons } from '../../processors/translate/reasons.ts'
import type { CompiledDialect, RawMessage } from '../../processors/translate/translation.ts'
import { quantities } from '../../schemas/generated/readings.ts'
import { isoTime, type ShownSample, type Translated, translateMessage } from './translated.ts'

/** What would come of a message, step by step. */
export interface Trial {
  readonly lines: readonly string[]
  readonly steps: readonly string[]
  readonly result: Translated
  /** Whether a dead letter would come of it, or of a part of it. */
  readonly rejected: boolean
}

/** Translates a message, and says what was found on the way. */
export function tryMessage(dialect: CompiledDialect, message: RawMessage): Trial {
  const steps: string[] = []
  const result = translateMessage(dialect, message, (step) => steps.push(step))
  return { steps, result, lines: linesOf(dialect, message, steps, result), rejected: isRejected(result) }
}

function isRejected(result: Translated): boolean {
  if (result.tag === 'no-topic') return true
  return result.tag === 'status' ? result.problem !== undefined : result.rejections.length > 0
}

const UNITS = new Map<string, string>(quantities.map(({ name, unit }) => [name, unit]))

function linesOf(dialect: CompiledDialect, message: RawMessage, steps: readonly string[], result: Translated): readonly string[] {
  const head = [
    `dialect    ${dialect.name}, version ${dialect.version}`,
    `message    ${message.payload.length} bytes, received ${isoTime(message.receivedMicros)}${message.retained ? ', retained' : ''}`,
  ]
  switch (result.tag) {
    case 'no-topic':
      return [
        ...head,
        `topic      ${message.topic}: no pattern takes it; expected one of`,
        ...dialect.topics.map(({ text, filter }) => `             ${text}  (subscribed as ${filter})`),
        ...(dialect.status === undefined ? [] : [`             ${dialect.status.topic.text}  (status)`]),
      ]
    case 'status':
      return [
        ...head,
        `topic      ${message.topic}: a status, by ${result.pattern}`,
        result.problem !== undefined
          ? `rejected   ${result.problem}`
          : result.state === undefined
            ? 'status     none: an empty payload clears what was retained'
            : `status     ${result.state.device} is ${result.state.state}`,
      ]
    case 'telemetry':
      return [
        ...head,
        `topic      ${message.topic}: taken by ${result.pattern}`,
        ...Object.entries(result.captures).map(([name, value]) => `             {${name}} = ${value}`),
        `key        ${result.key}`,
        ...steps.map((step) => `           ${step}`),
        ...outcomeLines(result),
      ]
  }
}

function outcomeLines({ samples, rejections, ignored }: Extract<Translated, { tag: 'telemetry' }>): readonly string[] {
  return [
    ...samples.flatMap(sampleLines),
    ...rejections.flatMap(({ reason, detail }) => [
      `rejected   ${reason}: ${detail}`,
      `             ${Object.hasOwn(reasons, reason) ? reasons[reason as keyof typeof reasons].whatToDo : ''}`,
    ]),
    ...(ignored === null
      ? []
      : [
          `ignored    ${ignored}: ${Object.hasOwn(ignoreReasons, ignored) ? ignoreReasons[ignored as keyof typeof ignoreReasons].means : ''}`,
        ]),
  ]
}

function sampleLines({ device, channel, ts, estimated, values }: ShownSample): readonly string[] {
  return [
    `sample     ${channel === null ? device : `${device}/${channel}`} at ${ts}${estimated ? ', estimated from the receipt' : ''}`,
    ...Object.entries(values).map(([name, value]) => `             ${name} ${value} ${UNITS.get(name) ?? ''}`),
  ]
}
