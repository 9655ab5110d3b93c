import type { DraftMessages, DraftQuantity, DraftRule, DraftRules, DraftTime } from './draft-parts.ts'
import { draftSeries, MOST_NAMES, makeSeries, type Series } from './draft-series.ts'
import { channelName, missingYaml, quoted, range, replacements, short, unitYaml } from './draft-yaml.ts'
import { guessQuantity, type QuantityGuess } from './guess-quantity.ts'
import { guessRecords, isNumber, quantityOf, type RecordGuess } from './guess-records.ts'
import { guessTimes, type TimeGuess } from './guess-time.ts'
import { groupBy } from './guess-topics.ts'
import { unitLeaf } from './guess-units.ts'
import { isTree, type Leaf, leavesOf, namesOf, numberOf, pathText } from './leaves.ts'

const NAME_NAMES = /^(?:n|name|id|key|metric|sensor|type|variable|measurement|tag|channel|field|parameter|quantity|code)$/i
const VALUE_NAMES = /^(?:v|val|value|reading|measurement|data|wert)$/i
const UNIT_NAMES = /^(?:u|unit|units|uom|einheit|unit_of_measurement)$/i
const DEVICE_NAMES =
  /^(?:device|device_?id|dev|dev_?eui|node|node_?id|sensor_?id|station|serial|mac|imei|deviceName|device_name|thing|asset|meter_?id)$/i

/** Rules for messages with members. */
export function draftRules(messages: DraftMessages, topicNamesGateway: boolean): DraftRules {
  const { trees } = messages
  const rules: DraftRule[] = []
  const times = new Map<string, DraftTime>()
  const left: string[] = []
  let device: string | undefined
  const rootLeaves = leavesOf(trees.filter(isTree))
  const taken: RecordGuess[] = []
  for (const guess of guessRecords(trees)) {
    const part = draftRecords(guess, messages, { rootLeaves, taken, topicNamesGateway })
    if (part.rules.length > 0 || guess.each === '$' || guess.each === '$[*]') {
      for (const time of part.times) times.set(time.yaml, time)
      left.push(...part.left)
    }
    if (part.rules.length === 0) continue
    rules.push(...part.rules)
    if (guess.each !== '$') taken.push(guess)
    device ??= part.device
  }
  return { rules, times: [...times.values()], device, left: [...new Set(left)] }
}

interface Context {
  readonly rootLeaves: readonly Leaf[]
  /** Places of records that earlier rules have taken. */
  readonly taken: readonly RecordGuess[]
  readonly topicNamesGateway: boolean
}

function draftRecords(guess: RecordGuess, messages: DraftMessages, context: Context): DraftRules {
  const nodes = guess.records.map(({ node }) => node)
  const received = guess.records.map(({ tree }) => messages.receivedMicros[tree] ?? 0)
  const isRoot = guess.each === '$'
  const leaves = leavesOf(nodes).filter((leaf) => !isRoot || !isTaken(leaf, context.taken))
  const times = guessTimes(leaves, received)
  const isTime = (leaf: Leaf): boolean => times.some((time) => time.leaf === leaf)
  // The second is for messages that lack the first.
  const ownTimes = times.slice(0, 2)
  const rootTimes = ownTimes.length === 0 && !isRoot ? guessTimes(context.rootLeaves, messages.receivedMicros).slice(0, 2) : []
  const found = [...ownTimes.map((time) => draftTime(isRoot ? '$' : '@', time)), ...rootTimes.map((time) => draftTime('$', time))]
  const others = times.slice(2).map(({ leaf }) => `${pathText(isRoot ? '$' : '@', leaf.steps)}: a time too, ${shown(leaf)}`)
  const when = guess.when === undefined ? [] : [`when: [{ text: "{part}", matches: ${quoted(guess.when)} }]`]
  const keys = guess.named ? [...when, ...partKeys(guess, context.topicNamesGateway)] : []
  const each = isRoot ? undefined : guess.each
  const pairs = draftPairs(guess, leaves, messages.topics, { each, keys })
  if (pairs !== undefined) return { ...pairs, times: found, left: [...pairs.left, ...others] }
  const named = draftNamed(
    leaves.filter((leaf) => !isTime(leaf)),
    isRoot ? '$' : '@',
    context.rootLeaves,
    { each, keys },
  )
  return { rules: named.rules, times: found, device: deviceOf(guess, leaves, messages), left: [...named.left, ...others] }
}

/** Whether a value of the message is in records that an earlier rule took. */
function isTaken({ steps }: Leaf, taken: readonly RecordGuess[]): boolean {
  return taken.some(({ steps: place, named, when = '' }) => {
    if (steps.length <= place.length || !place.every((step, index) => steps[index] === step)) return false
    const next = steps[place.length]
    if (!named) return typeof next === 'number'
    // Members of a family are objects: what is beside them has no further step.
    return typeof next === 'string' && steps.length > place.length + 1 && next.startsWith(when.slice(0, -1))
  })
}

function draftTime(from: '$' | '@', { leaf, formats, zone, aheadHours }: TimeGuess): DraftTime {
  const zoned = zone === undefined ? '' : `, zone: ${zone}`
  const ahead = aheadHours === 0 ? 'as UTC is' : `${Math.abs(aheadHours)} h ${aheadHours > 0 ? 'ahead of' : 'behind'} UTC`
  const hint = zone === undefined ? '' : `; without an offset, ${ahead} now: put your own zone, as in Europe/Vienna, for summer time`
  return {
    yaml: `{ path: ${quoted(pathText(from, leaf.steps))}, format: ${formats.length === 1 ? formats[0] : `[${formats.join(', ')}]`}${zoned} }`,
    comment: `guess: ${shown(leaf)}${hint}`,
  }
}

/** What makes of the names of records a channel, or a device behind a gateway. */
function partKeys({ records, lists }: RecordGuess, topicNamesGateway: boolean): readonly string[] {
  const names = records.map(({ part = '' }) => part)
  const isDevice = lists || topicNamesGateway
  const replaced = replacements(names, isDevice ? /[^A-Za-z0-9_-]/g : /[^A-Za-z0-9_.-]/g)
  const value = replaced === '' ? '"{part}"' : `{ text: "{part}"${replaced} }`
  return [
    isDevice
      ? `device: ${value}  # guess: devices behind a gateway; allow each by \`millrace devices add … --via\``
      : `channel: ${value}  # guess`,
  ]
}

/** A rule for records that say in one member what is measured, and in another the value. */
function draftPairs(
  guess: RecordGuess,
  leaves: readonly Leaf[],
  topics: readonly string[],
  { each, keys }: Pick<DraftRule, 'each' | 'keys'>,
): DraftRules | undefined {
  const at = (names: RegExp): readonly Leaf[] =>
    leaves.filter(({ steps: [first, second] }) => second === undefined && typeof first === 'string' && names.test(first))
  const [value] = at(VALUE_NAMES).filter(isValue)
  if (value === undefined) return undefined
  const from = each === undefined ? '$' : '@'
  const candidates = at(NAME_NAMES).filter(({ types, steps }) => types.has('text') && steps[0] !== value.steps[0])
  let best: { readonly leaf: Leaf; readonly series: readonly Series[]; readonly known: number } | undefined
  for (const leaf of candidates) {
    const series = seriesOf(guess, leaf, value, at(UNIT_NAMES)[0], topics)
    const known = series.filter((one) => one.guess !== undefined).length
    if (known > (best?.known ?? 0)) best = { leaf, series, known }
  }
  if (best === undefined) return undefined
  const unit = at(UNIT_NAMES)[0]
  const named = {
    name: quoted(pathText(from, best.leaf.steps)),
    value: quoted(pathText(from, value.steps)),
    unit: unit && pathText(from, unit.steps),
  }
  const { rules, left } = draftSeries(best.series, named, { each, keys })
  return { rules, times: [], device: undefined, left }
}

function isValue({ numbers }: Leaf): boolean {
  return numbers !== undefined
}

function seriesOf({ records }: RecordGuess, name: Leaf, value: Leaf, unit: Leaf | undefined, topics: readonly string[]): readonly Series[] {
  const member = (node: unknown, leaf: Leaf | undefined): unknown =>
    leaf !== undefined && isTree(node) ? node[String(leaf.steps[0])] : undefined
  const byName = groupBy(records, ({ node }) => String(member(node, name) ?? ''))
  return [...byName]
    .filter(([text]) => text !== '')
    .slice(0, MOST_NAMES)
    .map(([text, each]) =>
      makeSeries(
        text,
        each.map(({ node }) => member(node, value)),
        new Set(each.map(({ tree, part = '' }) => `${topics[tree]} ${part}`)),
        each.map(({ node }) => member(node, unit)),
      ),
    )
}

interface Named {
  readonly leaf: Leaf
  readonly guess: QuantityGuess
}

/** Rules for records whose members are named after what they measure. */
function draftNamed(
  leaves: readonly Leaf[],
  from: '$' | '@',
  rootLeaves: readonly Leaf[],
  { each, keys }: Pick<DraftRule, 'each' | 'keys'>,
): { readonly rules: readonly DraftRule[]; readonly left: readonly string[] } {
  const found: Named[] = []
  const left: string[] = []
  for (const leaf of leaves) {
    const isNull = [...leaf.types].every((type) => type === 'null')
    const told = isNumber(leaf) ? toldUnit(leaf, leaves, from, rootLeaves) : undefined
    const guess = told === undefined && !isNull ? quantityOf(leaf) : guessQuantity(namesOf(leaf.steps), undefined)
    // Of a list of radios or the like the first counts.
    if (guess !== undefined && leaf.steps.every((step) => typeof step === 'string' || step === 0)) found.push({ leaf, guess })
    else left.push(`${pathText(from, leaf.steps)}: ${shown(leaf)}`)
  }
  const main: DraftQuantity[] = []
  const extra: DraftRule[] = []
  for (const [quantity, alternatives] of groupBy(ofBattery(found), ({ guess }) => guess.quantity)) {
    const sorted = [...alternatives].sort((a, b) => b.guess.score - a.guess.score)
    const [best, ...others] = sorted
    if (best === undefined) continue
    // What is never in one message with the best is the same under another name.
    const same = others.filter(({ leaf }) => ![...leaf.trees].some((tree) => best.leaf.trees.has(tree)))
    const together = [
      best,
      ...same.filter((one, at) => same.slice(0, at).every(({ leaf }) => ![...leaf.trees].some((tree) => one.leaf.trees.has(tree)))),
    ]
    // Deeper ones first: some devices send a list in place of the number that others send.
    const yaml = together.sort((a, b) => b.leaf.steps.length - a.leaf.steps.length)
    main.push({
      quantity,
      yaml:
        yaml.length === 1
          ? leafYaml(best, leaves, from, rootLeaves)
          : `[${yaml.map((one) => leafYaml(one, leaves, from, rootLeaves)).join(', ')}]`,
      comment: `guess: ${yaml.map(({ leaf }) => shown(leaf)).join('; ')}`,
    })
    const channels = new Set<string>()
    for (const one of others.filter((other) => !yaml.includes(other))) {
      const names = namesOf(one.leaf.steps)
      const [last, whole] = [channelName(names.at(-1) ?? ''), channelName(names.join('.'))]
      const channel = channels.has(last) ? whole : last
      channels.add(channel)
      extra.push({
        each,
        keys: [...keys.filter((key) => !key.startsWith('channel:')), `channel: ${quoted(channel)}  # guess: a second ${quantity}`],
        quantities: [{ quantity, yaml: leafYaml(one, leaves, from, rootLeaves), comment: `guess: ${shown(one.leaf)}` }],
      })
    }
  }
  const isFamily = keys.some((key) => key.startsWith('channel:'))
  if (isFamily) left.push(...extra.map(({ quantities: [one] }) => `a second ${one?.quantity}: ${one?.yaml}`))
  return { rules: main.length === 0 ? [] : [{ each, keys, quantities: main }, ...(isFamily ? [] : extra)], left }
}

/** Beside the level of a battery, a voltage such as one has is its own: 3.02 or 3020. */
function ofBattery(found: readonly Named[]): readonly Named[] {
  const has = (quantity: string): boolean => found.some(({ guess }) => guess.quantity === quantity)
  if (!has('battery_level') || has('battery_voltage')) return found
  return found.map((named) => {
    const { leaf, guess } = named
    if (guess.quantity !== 'voltage' || leaf.numbers === undefined) return named
    const { minimum, maximum } = leaf.numbers
    if (minimum >= 1_000 && maximum <= 5_000) return { leaf, guess: { ...guess, quantity: 'battery_voltage', unit: 'mV' } }
    return minimum >= 0 && maximum <= 30 ? { leaf, guess: { ...guess, quantity: 'battery_voltage' } } : named
  })
}

function toldUnit(
  leaf: Leaf,
  leaves: readonly Leaf[],
  from: '$' | '@',
  rootLeaves: readonly Leaf[],
): { readonly path: string; readonly map: ReadonlyMap<string, string> } | undefined {
  const quantity = guessQuantity(namesOf(leaf.steps), undefined)?.quantity
  if (quantity === undefined) return undefined
  const own = unitLeaf(leaves, quantity)
  if (own !== undefined) return { path: pathText(from, own.leaf.steps), map: own.map }
  const root = unitLeaf(rootLeaves, quantity)
  return root === undefined ? undefined : { path: pathText('$', root.leaf.steps), map: root.map }
}

function leafYaml({ leaf, guess }: Named, leaves: readonly Leaf[], from: '$' | '@', rootLeaves: readonly Leaf[]): string {
  const told = toldUnit(leaf, leaves, from, rootLeaves)
  const texts = new Set(leaf.values.flatMap(({ value }) => (typeof value === 'string' && numberOf(value) === undefined ? [value] : [])))
  const unit =
    told === undefined
      ? unitYaml(guess)
      : `, unit: { path: ${quoted(told.path)}, map: { ${[...told.map].map(([called, code]) => `${quoted(called)}: ${quoted(code)}`).join(', ')} } }`
  return `{ path: ${quoted(pathText(from, leaf.steps))}${unit}${missingYaml(texts)} }`
}

/** The device, if messages of one topic are about several. */
function deviceOf({ each, records }: RecordGuess, leaves: readonly Leaf[], { topics }: DraftMessages): string | undefined {
  const from = each === '$' ? '$' : '@'
  for (const leaf of leaves) {
    const [name, second] = leaf.steps
    if (second !== undefined || typeof name !== 'string' || !DEVICE_NAMES.test(name) || !leaf.types.has('text')) continue
    const devices = new Map<string, Set<string>>()
    for (const { tree, node } of records) {
      const value = isTree(node) ? node[name] : undefined
      if (typeof value !== 'string') continue
      const topic = topics[tree] ?? ''
      devices.set(topic, (devices.get(topic) ?? new Set()).add(value))
    }
    if (![...devices.values()].some((values) => values.size > 1)) continue
    const names = [...devices.values()].flatMap((values) => [...values])
    return `{ path: ${quoted(pathText(from, leaf.steps))}${replacements(names, /[^A-Za-z0-9_-]/g)} }`
  }
  return undefined
}

function shown(leaf: Leaf): string {
  const types = [...leaf.types].join(' or ')
  if (leaf.numbers !== undefined) return `${types} ${range(leaf.numbers)}`
  const [first] = leaf.values
  return first === undefined || first.value === null ? types : `${types} ${short(first.value)}`
}
