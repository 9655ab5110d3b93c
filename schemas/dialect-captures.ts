import { type Condition, type Dialect, DialectError, type Origin, type TextRule } from './dialect.ts'
import { capturesOf, isSingular, type Path } from './dialect-path.ts'

/**
 * Every capture that is used must be one of a topic or of the rule's records, and a path to one
 * value must lead to one place.
 * @throws DialectError
 */
export function checkCaptures(dialect: Dialect): void {
  const ofTopics = new Set(dialect.topics.flatMap(({ names }) => names))
  const check = new CaptureCheck(dialect.file)
  check.text('key', dialect.key, ofTopics, '')
  for (const [index, list] of dialect.ignore.entries()) check.conditions(`ignore[${index}]`, list, ofTopics, '$')
  for (const [index, rule] of dialect.samples.entries()) {
    const place = `samples[${index}]`
    const bound = new Set(ofTopics)
    for (const path of rule.each) {
      if (path.from === '@') check.fail(`${place}.each`, `expected a path from the message ($), got ${path.text}`)
      for (const name of capturesOf(path)) bound.add(name)
    }
    check.conditions(`${place}.when`, rule.when, bound, '$@')
    check.text(rule.device === undefined ? 'device' : `${place}.device`, rule.device ?? dialect.device, bound, '$@')
    check.text(rule.channel === undefined ? 'channel' : `${place}.channel`, rule.channel ?? dialect.channel, bound, '$@')
    check.text(`${place}.name`, rule.name, bound, '$@')
    check.paths(`${place}.value`, rule.value, bound, '$@')
    for (const [at, each] of (rule.time ?? dialect.time ?? []).entries())
      if (each.kind === 'value') check.origin(rule.time === undefined ? `time[${at}]` : `${place}.time[${at}]`, each.origin, bound, '$@')
    if (rule.quantities === 'standard') continue
    for (const each of rule.quantities) {
      const where = `${place}.quantities.${each.quantity}`
      check.paths(`${where}.path`, each.paths, bound, '$@')
      check.conditions(`${where}.when`, each.when, bound, '$@')
      if (each.unit.kind === 'told') check.origin(`${where}.unit`, each.unit.origin, bound, '$@')
    }
  }
  if (dialect.status === undefined) return
  const ofStatus = new Set(dialect.status.topic.names)
  // Whoever may publish on the topic speaks for its device, and for no other.
  check.text('status.device', dialect.status.device, ofStatus, '')
  check.origin('status', dialect.status.origin, ofStatus, '$')
}

class CaptureCheck {
  private readonly file: string

  constructor(file: string) {
    this.file = file
  }

  fail(place: string, message: string): never {
    throw new DialectError(`${this.file}: ${place}: ${message}`)
  }

  text(place: string, rule: TextRule | undefined, bound: ReadonlySet<string>, from: string): void {
    for (const { origin } of rule ?? []) this.origin(place, origin, bound, from)
  }

  conditions(place: string, list: readonly Condition[], bound: ReadonlySet<string>, from: string): void {
    for (const [index, { origin }] of list.entries()) this.origin(`${place}[${index}]`, origin, bound, from)
  }

  origin(place: string, origin: Origin, bound: ReadonlySet<string>, from: string): void {
    if (origin.kind === 'paths') this.paths(place, origin.paths, bound, from)
    else
      for (const part of origin.template.parts) {
        if ('capture' in part) this.capture(place, part.capture, bound)
        else if ('path' in part) this.paths(place, [part.path], bound, from)
      }
  }

  paths(place: string, paths: readonly Path[], bound: ReadonlySet<string>, from: string): void {
    for (const path of paths) {
      if (!from.includes(path.from))
        this.fail(
          place,
          from === '' ? `expected text of the topic alone, got ${path.text}` : `expected a path from the message ($), got ${path.text}`,
        )
      for (const name of capturesOf(path)) this.capture(place, name, bound)
      if (!isSingular(path, bound))
        this.fail(place, `expected a path to one place, without * (records are what \`each\` is for), got ${path.text}`)
    }
  }

  private capture(place: string, name: string, bound: ReadonlySet<string>): void {
    if (bound.has(name)) return
    const known = [...bound].map((each) => `{${each}}`).join(', ')
    this.fail(place, `expected a capture of the topic or of each (${known === '' ? 'there is none' : known}), got {${name}}`)
  }
}
