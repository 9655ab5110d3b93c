import type { StorageBackend } from '../connectors/postgres/backend.ts'
import { defaultPartition, listPartitions } from '../connectors/postgres/partition-catalog.ts'
import type { Session } from '../connectors/postgres/session.ts'
import { attachWay } from '../connectors/postgres/table-attach.ts'
import { defaultName, noteName, oldName, qualified } from '../connectors/postgres/table-attach-sql.ts'
import { copyWay } from '../connectors/postgres/table-copy.ts'
import { newName } from '../connectors/postgres/table-copy-sql.ts'
import { makeDays } from '../connectors/postgres/table-days.ts'
import { readingsColumns, tableContents, tableFacts } from '../connectors/postgres/table-facts.ts'
import { takeMoveTurn } from '../connectors/postgres/table-move-lock.ts'
import { forgetNote, type MoveNote, readNote, writeNote } from '../connectors/postgres/table-move-note.ts'
import { type Move, MoveRefused, type MoveWay } from '../connectors/postgres/table-move-way.ts'
import { cutFrom, type MoveSettings, primaryKey, type TableContents, type TableFacts } from '../processors/store/table-move.ts'
import { contentProblems, moveNotes, moveProblems } from '../processors/store/table-problems.ts'
import { stepsLeft } from '../processors/store/table-steps.ts'
import { planLines } from './migrate-table-lines.ts'

export interface MoveOptions {
  readonly table: string
  readonly time?: string | undefined
  readonly device?: string | undefined
  /** Own names, and those of readings. */
  readonly map: Readonly<Record<string, string>>
  readonly keep: readonly string[]
  readonly key: readonly string[]
  readonly copy: boolean
  readonly cutMs?: number | undefined
  readonly mode: 'run' | 'dry-run' | 'undo' | 'finish'
}

export interface MoveContext {
  readonly session: Session
  /** The backend of readings; undefined if there is no such table. */
  readonly readings: StorageBackend | undefined
  /** Whether a table that keeps its columns becomes a hypertable. */
  readonly hypertable: boolean
  readonly daysAhead: number
  readonly nowMs: () => number
  readonly say: (line: string) => void
}

/**
 * `millrace migrate-table`. A run that is killed at any moment is gone on with by the next one.
 * @throws MoveRefused if something is in the way, before anything is changed; ConnectorError
 */
export async function migrateTable(context: MoveContext, options: MoveOptions): Promise<void> {
  const { session } = context
  await takeMoveTurn(session)
  const facts = await tableFacts(session, options.table)
  if (facts === undefined) throw new MoveRefused(`there is no table ${options.table}`)
  const note = await readNote(session, noteName(facts))
  if (options.mode === 'undo' || options.mode === 'finish') return end(context, facts, note, options.mode)
  if (note?.done.includes('undone') === true) throw new MoveRefused('an undo is under way: run it again, with --undo')
  if (note === undefined && facts.kind === 'p') return nextDays(context, facts)
  const ours = options.device === undefined && note?.settings.target !== 'readings' ? [] : await readingsColumns(session)
  const settings = note?.settings ?? settingsOf(context, facts, options, new Set(ours.map(({ name }) => name)))
  if (note !== undefined) sameSettings(note.settings, options)
  const move: Move = { ...context, facts: note?.swapped === true ? note.facts : facts, settings, ours }
  if (note?.swapped !== true) refuse(facts, moveProblems(facts, settings, new Map(ours.map(({ name, type }) => [name, type]))))
  const contents = note === undefined ? await survey(context, move, options.mode) : undefined
  if (options.mode === 'dry-run') return dryRun(session, move, note, contents)
  if (note === undefined) {
    for (const line of moveNotes(facts, settings)) context.say(line)
    await writeNote(session, noteName(facts), settings, facts)
  }
  await carryOut(session, move)
}

async function survey({ session, say }: MoveContext, move: Move, mode: MoveOptions['mode']): Promise<TableContents> {
  const { facts, settings } = move
  for (const name of [
    oldName(facts),
    ...(settings.target === 'readings' ? [] : settings.way === 'copy' ? [newName(facts)] : [defaultName(facts)]),
  ])
    if ((await tableFacts(session, qualified(facts, name))) !== undefined) refuse(facts, [`the name ${name} is needed: rename that table`])
  say(`reading table ${facts.name}`)
  const contents = await tableContents(session, facts, settings)
  const problems = [...contentProblems(facts.name, contents, settings), ...(await overlaps(session, settings, contents))]
  if (mode !== 'dry-run') refuse(facts, problems)
  for (const problem of problems) say(`in the way: ${problem}`)
  return contents
}

/** Rows that readings has already of the time of the old part. */
async function overlaps(session: Session, { target, way, cutMs }: MoveSettings, { firstMs }: TableContents): Promise<readonly string[]> {
  if (target === 'own' || way === 'copy') return []
  const found = await listPartitions(session)
  const filled = found.filter(({ filled: has, fromMs, toMs }) => has && toMs > (firstMs ?? cutMs) && fromMs < cutMs)
  const strays = await defaultPartition(session)
  return [
    ...filled.map(
      ({ name }) =>
        `readings has rows of the same time, in partition ${name}: give an earlier --cut if the table has no rows after it, or --copy`,
    ),
    ...(strays !== undefined && strays.bytes > 0 ? [`partition ${strays.name} is not empty: \`millrace partitions drain\``] : []),
  ]
}

function refuse(facts: TableFacts, problems: readonly string[]): void {
  if (problems.length > 0)
    throw new MoveRefused(`table ${facts.name} cannot be migrated:\n${problems.map((each) => `  ${each}`).join('\n')}`)
}

function settingsOf(context: MoveContext, facts: TableFacts, options: MoveOptions, ours: ReadonlySet<string>): MoveSettings {
  if (facts.kind !== 'r') throw new MoveRefused(`${facts.name} is no plain table`)
  if (facts.hypertable) throw new MoveRefused(`${facts.name} is a hypertable already`)
  const { time, device, map, keep, cutMs } = options
  if (time === undefined) throw new MoveRefused('--time has to say which column has the time')
  const cut = { cutGiven: cutMs !== undefined, cutMs: cutMs ?? cutFrom(context.nowMs()) }
  if (device === undefined) {
    if (Object.keys(map).length + keep.length > 0)
      throw new MoveRefused('--map and --keep are for a table that becomes the past of readings: --device')
    if (options.copy && !context.hypertable)
      throw new MoveRefused('--copy is for a table that becomes the past of readings (--device), or a hypertable')
    const primary = primaryKey(facts)?.columns ?? []
    const key = options.key.length > 0 || !primary.includes(time) ? options.key : primary.flatMap((name) => (name === null ? [] : [name]))
    return { target: 'own', way: context.hypertable ? 'copy' : 'attach', time, key, names: {}, keep: [], ...cut }
  }
  if (context.readings === undefined)
    throw new MoveRefused('there is no table readings, whose past it could become: run `millrace migrate` first')
  const same = facts.columns.map(({ name }) => name).filter((name) => ours.has(name) || keep.includes(name))
  const names = new Map([...same.map((name) => [name, name] as const), ...Object.entries(map), [time, 'ts'], [device, 'device_id']])
  const way = context.readings.name === 'timescaledb' || options.copy ? 'copy' : 'attach'
  return { target: 'readings', way, time, key: [device, time], names: Object.fromEntries(names), keep, ...cut }
}

/** A later run may leave the options out, but not change them. */
function sameSettings(settings: MoveSettings, { time, device, map, key }: MoveOptions): void {
  const differs =
    (time !== undefined && time !== settings.time) ||
    (device !== undefined && (settings.target === 'own' || device !== settings.key[0])) ||
    (key.length > 0 && key.join() !== settings.key.join()) ||
    Object.entries(map).some(([own, ours]) => settings.names[own] !== ours)
  if (differs) throw new MoveRefused('a migration of this table is under way with other options: leave them out, or --undo first')
}

function wayOf({ way }: MoveSettings): MoveWay {
  return way === 'attach' ? attachWay : copyWay
}

/** What holds while a migration is not gone on with. */
const REMAINS = {
  attach: 'Until the swap is done, rows outside the range of the check are refused, if it is there already',
  copy: 'Writes are doubled, if the trigger is there already',
} as const

/** What an undo of the past of readings leaves there. */
const STAYS = {
  attach: 'What was written since for times outside its range stays in readings, and its device stays text COLLATE "C"',
  copy: 'What was copied, and what was written through the view since, stays in readings',
} as const

/** Step by step, from what is there. */
async function carryOut(session: Session, move: Move): Promise<void> {
  const name = noteName(move.facts)
  let days = true
  for (;;) {
    const note = await readNote(session, name)
    const settings = note?.settings ?? move.settings
    const current = { ...move, settings }
    const [step] = stepsLeft(settings, await wayOf(settings).progress(session, current, note), move.nowMs()).filter(
      (each) => each !== 'days' || days,
    )
    if (step === undefined) break
    if (step === 'days') days = false
    move.say(`${step}: begins`)
    const beganMs = performance.now()
    try {
      await wayOf(settings).step(session, current, step)
    } catch (cause) {
      move.say(`${step}: failed. ${REMAINS[settings.way]}: run it again, or with --undo`)
      throw cause
    }
    move.say(`${step}: done in ${((performance.now() - beganMs) / 1000).toFixed(1)} s`)
  }
  move.say(`${move.facts.name} is migrated. \`--undo\` is the way back; \`--finish\` gives it up, once you are content.`)
}

async function dryRun(session: Session, move: Move, note: MoveNote | undefined, contents: TableContents | undefined): Promise<void> {
  const way = wayOf(move.settings)
  const steps = stepsLeft(move.settings, await way.progress(session, move, note), move.nowMs())
  for (const line of planLines(move, steps, contents, (step, range) => way.statements(move, step, range))) move.say(line)
}

/** A table that was migrated and finished: its next days. */
async function nextDays({ session, daysAhead, nowMs, say }: MoveContext, facts: TableFacts): Promise<void> {
  if (facts.name === 'readings') throw new MoveRefused('readings is partitioned, and the store makes its days')
  const made = await makeDays(session, qualified(facts, facts.name), nowMs(), daysAhead)
  say(made.length === 0 ? `${facts.name} is partitioned, and has its next ${daysAhead} days` : `made ${made.join(', ')}`)
}

async function end(context: MoveContext, facts: TableFacts, note: MoveNote | undefined, mode: 'undo' | 'finish'): Promise<void> {
  if (note === undefined) throw new MoveRefused(`no migration of table ${facts.name} is under way`)
  const ours = note.settings.target === 'readings' ? await readingsColumns(context.session) : []
  const move: Move = { ...context, facts: note.swapped ? note.facts : facts, settings: note.settings, ours }
  if (mode === 'undo') {
    context.say('undo: begins')
    await wayOf(note.settings).undo(context.session, move, note)
    context.say(`undo: done; ${facts.name} is a plain table again`)
    if (note.swapped && note.settings.target === 'readings') context.say(STAYS[note.settings.way])
    return
  }
  if (!note.swapped) throw new MoveRefused('it is not swapped yet: run it without --finish')
  await wayOf(note.settings).finish(context.session, move)
  await forgetNote(context.session, noteName(move.facts))
  context.say(`${facts.name} is finished: there is no way back any more`)
}
