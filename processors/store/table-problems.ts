import {
  carriedIndexes,
  deviceChanges,
  type MoveSettings,
  type OurColumns,
  primaryKey,
  type TableContents,
  type TableFacts,
} from './table-move.ts'

const TIMES: ReadonlySet<string> = new Set(['timestamp with time zone', 'timestamp without time zone'])
const TEXTS: ReadonlySet<string> = new Set(['text', 'character varying'])
const NUMBERS: ReadonlySet<string> = new Set(['double precision', 'real', 'numeric', 'integer', 'bigint', 'smallint'])

/** Why the table cannot be migrated as asked, in words that say what to do; empty if it can. */
export function moveProblems(facts: TableFacts, settings: MoveSettings, ours: OurColumns): readonly string[] {
  const found = [...facts.hindrances]
  const say = (problem: string): unknown => found.push(problem)
  if (facts.partition) say('it is a partition of another table')
  if (facts.persistence !== 'p') say('it is unlogged or temporary: ALTER TABLE … SET LOGGED first')
  if (!facts.ours) say(`it belongs to ${facts.owner}: run as that role, or as a superuser`)
  const time = facts.columns.find(({ name }) => name === settings.time)
  if (time === undefined) say(`there is no column ${settings.time} (--time), expected one of: ${list(facts)}`)
  else if (!TIMES.has(time.type)) say(`column ${time.name} (--time) is ${time.type}, expected timestamp with time zone`)
  for (const name of settings.key)
    if (!facts.columns.some((column) => column.name === name)) say(`there is no column ${name} of the key, expected one of: ${list(facts)}`)
  for (const { name, valid } of [...facts.checks, ...facts.foreignKeys])
    if (!valid) say(`constraint ${name} is not validated: ALTER TABLE … VALIDATE CONSTRAINT ${name}`)
  for (const { name, constraint } of facts.indexes)
    if (constraint === 'x') say(`exclusion constraint ${name} cannot span partitions: drop it`)
  for (const { name, valid } of facts.indexes) if (!valid) say(`index ${name} is not valid: REINDEX or drop it`)
  for (const { name, identity } of facts.columns)
    if (identity !== '' && settings.target === 'own')
      say(`column ${name} is an identity column, which partitions cannot have: DROP IDENTITY, and give it a default from a sequence`)
  for (const { name, ordinary } of facts.triggers)
    if (!ordinary) say(`trigger ${name} is disabled, or has a transition table: a partitioned table cannot take it over`)
  return settings.target === 'own' ? [...found, ...ownProblems(facts, settings)] : [...found, ...readingsProblems(facts, settings, ours)]
}

function ownProblems(facts: TableFacts, settings: MoveSettings): readonly string[] {
  if (settings.way === 'attach') return settings.key.length > 0 && !settings.key.includes(settings.time) ? [NO_TIME(settings)] : []
  if (settings.key.length === 0) return ['a copy needs a key that finds a row again: --key, with the time among its columns']
  if (!settings.key.includes(settings.time)) return [NO_TIME(settings)]
  const generated = facts.columns.filter((column) => column.generated !== '')
  return generated.map(({ name }) => `column ${name} is generated, which a copy does not take over: drop it`)
}

const NO_TIME = ({ key, time }: MoveSettings): string =>
  `the key (${key.join(', ')}) must have the time: a unique key over partitions has their column, ${time}`

function readingsProblems(facts: TableFacts, settings: MoveSettings, ours: OurColumns): readonly string[] {
  const found: string[] = []
  const say = (problem: string): unknown => found.push(problem)
  const attach = settings.way === 'attach'
  if (facts.name === 'readings') say('a plain table that is named readings keeps its columns: leave out --device')
  const mapped = new Map<string, string>()
  for (const [own, name] of Object.entries(settings.names)) {
    const column = facts.columns.find((each) => each.name === own)
    const type = ours.get(name)
    const other = mapped.get(name)
    if (other !== undefined) say(`${other} and ${own} would both become ${name}`)
    mapped.set(name, own)
    if (own !== name && facts.columns.some((each) => each.name === name && settings.names[each.name] === undefined))
      say(`column ${own} would become ${name}, which the table has too: rename that one`)
    if (column === undefined) say(`there is no column ${own} (--map), expected one of: ${list(facts)}`)
    else if (type === undefined && !settings.keep.includes(own))
      say(`readings has no column ${name} (--map ${own}=${name}), expected one of: ${[...ours.keys()].join(', ')}`)
    else if (type !== undefined) {
      const same = column.type === type || (name === 'device_id' && TEXTS.has(column.type))
      const number = NUMBERS.has(column.type) && NUMBERS.has(type)
      if (attach && !same)
        say(
          `column ${own} is ${column.type}, expected ${type}: to change it in place would write every row anew under a lock. --copy copies the rows instead, while writers go on`,
        )
      else if (!attach && !same && !number && !(name === 'device_id') && !(name === 'ts' && TIMES.has(column.type)))
        say(`column ${own} is ${column.type}, which cannot become ${type}`)
    }
    if (attach && name === 'time_estimated' && column?.notNull === false) say(`column ${own} may be null, expected NOT NULL`)
    if (column?.generated !== undefined && column.generated !== '') say(`column ${own} is generated: drop it, or its expression`)
    if (attach && column?.identity !== undefined && column.identity !== '') say(`column ${own} is an identity column: DROP IDENTITY`)
  }
  for (const { name } of facts.columns)
    if (settings.names[name] === undefined)
      say(`column ${name} has no place in readings: --map ${name}=…, --keep ${name} gives readings a column of this name, or drop it`)
  for (const { name } of facts.foreignKeys) say(`foreign key ${name} would refuse rows of the store: drop it`)
  for (const { name } of facts.triggers) say(`trigger ${name} has columns of before: drop it, or make it for readings afterwards`)
  for (const { name } of facts.checks) if (attach) say(`constraint ${name} would refuse rows of the store: drop it`)
  const key = primaryKey(facts)
  for (const index of facts.indexes) {
    if (!attach || index === key) continue
    if (index.unique && !same(index.columns, settings.key)) say(`unique index ${index.name} would refuse rows of the store: drop it`)
    else if (deviceChanges(facts, settings) && index.columns.some((name) => name === null || name === settings.key[0]))
      say(`index ${index.name} would be built anew under a lock, since readings orders devices by their bytes: DROP INDEX CONCURRENTLY`)
  }
  return found
}

/** What in the rows is in the way. */
export function contentProblems(table: string, contents: TableContents, settings: MoveSettings): readonly string[] {
  const { nullTimes, infiniteTimes, nullKeys, lastMs, duplicates, duplicate } = contents
  const found: string[] = []
  const { time, key, cutMs } = settings
  if (nullTimes > 0)
    found.push(`${nullTimes} rows have no ${time}: no partition can take them. Correct or delete them (WHERE ${time} IS NULL)`)
  if (infiniteTimes > 0) found.push(`${infiniteTimes} rows have an infinite ${time}: correct or delete them`)
  if (nullKeys > 0) found.push(`${nullKeys} rows have no ${key.filter((name) => name !== time).join(' or ')}: correct or delete them`)
  if (settings.way === 'attach' && lastMs !== null && lastMs >= cutMs)
    found.push(
      `the last row is of ${new Date(lastMs).toISOString()}, but the old part ends at ${new Date(cutMs).toISOString()}: correct it, or give a later --cut`,
    )
  if (duplicates > 0)
    found.push(
      `${duplicates} keys (${key.join(', ')}) occur more than once, such as ${duplicate ?? '?'}: keep one of each, as in DELETE FROM ${table} a USING ${table} b WHERE ${key
        .map((name) => `a.${name} = b.${name}`)
        .join(' AND ')} AND a.ctid < b.ctid`,
    )
  return found
}

/** What changes for those who use the table, in words. */
export function moveNotes(facts: TableFacts, settings: MoveSettings): readonly string[] {
  const carried = new Set(carriedIndexes(facts, settings))
  const notes: string[] = []
  if (settings.target === 'own') {
    for (const index of facts.indexes)
      if (!carried.has(index))
        notes.push(
          `${index.constraint === 'p' ? 'primary key' : 'unique index'} ${index.name} (${index.columns.join(', ')}) has no time: it holds in the old part only`,
        )
    const also = [...facts.foreignKeys, ...facts.triggers].map(({ name }) => name)
    if (also.length > 0) notes.push(`taken over: ${also.join(', ')}`)
  } else {
    const key = primaryKey(facts)
    if (settings.way === 'attach' && key !== undefined && !same(key.columns, settings.key))
      notes.push(`primary key ${key.name} (${key.columns.join(', ')}) is dropped: that of readings is ${settings.key.join(', ')}`)
    const time = facts.columns.find(({ name }) => name === settings.time)
    if (time?.type === 'timestamp without time zone')
      notes.push(`in the view, ${time.name} has a time zone: writers that give none must have TimeZone UTC`)
    notes.push(
      `${facts.name} becomes a view of readings with its columns: SELECT, INSERT, ON CONFLICT, UPDATE and DELETE go on; COPY into it does not`,
    )
  }
  return notes
}

function same(one: readonly (string | null)[], other: readonly string[]): boolean {
  return one.length === other.length && one.every((name, at) => name === other[at])
}

function list(facts: TableFacts): string {
  return facts.columns.map(({ name }) => name).join(', ')
}
