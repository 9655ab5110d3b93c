import type { Dialect, SampleRule, TextRule } from '../../schemas/dialect.ts'
import type { Path } from '../../schemas/dialect-path.ts'
import { compileConditions, compileText, explainConditions, isOfNames, pathsOf, type ReadText, type Test } from './origin.ts'
import { QuantityReader } from './quantity.ts'
import { compileEach, compilePath, type Read, type Scope } from './scope.ts'
import { TimeReader } from './times.ts'

/** A rule of `samples`, compiled. */
export interface CompiledRule {
  readonly number: number
  readonly each: readonly { readonly path: Path; readonly walk: ReturnType<typeof compileEach> }[]
  /** Whether its records are elements of arrays: each of them is expected to have a value. */
  readonly ofArray: boolean
  readonly when: Test | undefined
  /** Which condition of `when` does not hold. */
  readonly whyNot: (scope: Scope) => string | undefined
  readonly device: ReadText
  readonly deviceText: string
  readonly fromTopic: boolean
  readonly channel: ReadText | undefined
  /** Whether a channel may be absent: not every topic has it. */
  readonly channelOptional: boolean
  readonly times: TimeReader
  readonly name: ReadText | undefined
  readonly value: readonly { readonly path: Path; readonly read: Read }[]
  readonly standard: boolean
  /** Names that mean something else in a record of standard quantities. */
  readonly known: ReadonlySet<string>
  readonly quantities: readonly QuantityReader[]
  /** Whether records are moments in time, and not values of one moment. */
  readonly isSequence: boolean
}

export function compileRule(dialect: Dialect, rule: SampleRule, number: number): CompiledRule {
  const ofTopics = new Set(dialect.topics.flatMap(({ names }) => names))
  const device = rule.device ?? dialect.device
  const channel = rule.channel ?? dialect.channel
  const times = new TimeReader(rule.time ?? dialect.time)
  return {
    number,
    each: rule.each.map((path) => ({ path, walk: compileEach(path, ofTopics) })),
    ofArray: rule.name === undefined && rule.each.some(({ steps }) => steps.at(-1)?.kind === 'elements'),
    when: rule.when.length === 0 ? undefined : compileConditions(rule.when),
    whyNot: explainConditions(rule.when),
    device: compileText(device),
    deviceText: device
      .map(({ origin }) => (origin.kind === 'text' ? origin.template.text : origin.paths.map(({ text }) => text).join(', ')))
      .join(', '),
    fromTopic: dialect.key === undefined && isOfCaptures(device, ofTopics),
    channel: channel === undefined ? undefined : compileText(channel),
    channelOptional: channel?.every(({ origin }) => isOfNames(origin)) === true,
    times,
    name: rule.name === undefined ? undefined : compileText(rule.name),
    value: rule.value.map((path) => ({ path, read: compilePath(path) })),
    standard: rule.quantities === 'standard',
    known: namesOf(dialect, rule),
    quantities: rule.quantities === 'standard' ? [] : rule.quantities.map((each) => new QuantityReader(each)),
    isSequence: times.ofRecord && rule.name === undefined,
  }
}

/** Members of the record that the rule uses for something else than quantities. */
function namesOf(dialect: Dialect, rule: SampleRule): ReadonlySet<string> {
  const origins = [
    ...rule.when.map(({ origin }) => origin),
    ...[rule.device ?? dialect.device, rule.channel ?? dialect.channel ?? []].flatMap((text) => text.map(({ origin }) => origin)),
    ...(rule.time ?? dialect.time ?? []).flatMap((time) => (time.kind === 'value' ? [time.origin] : [])),
  ]
  const paths = origins.flatMap(pathsOf)
  return new Set(paths.flatMap(({ steps: [first] }) => (first?.kind === 'member' ? [first.name] : [])))
}

/** Whether a text is of captures that topics have, and has nothing of the message. */
function isOfCaptures(rule: TextRule, captures: ReadonlySet<string>): boolean {
  return rule.every(
    ({ origin }) =>
      isOfNames(origin) &&
      origin.kind === 'text' &&
      origin.template.parts.every((part) => !('capture' in part) || captures.has(part.capture)),
  )
}
