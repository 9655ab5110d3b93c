import type { RedriveOutcome } from '../../connectors/postgres/redrive-log.ts'
import { whole } from '../figures.ts'
import { table } from '../text-table.ts'
import type { OutputName } from './way.ts'

interface Row {
  deadLetters: number
  readonly outcomes: Map<RedriveOutcome, number>
  outputs: number
  /** Failures by reason. */
  readonly again: Map<string, number>
}

/** What a redrive did, or would do, by the reason that the dead letters had. */
export class RedriveReport {
  settledBefore = 0
  filteredOut = 0
  withoutBytes = 0
  /** Records that a dead letter keeps only the offset of, and that are no longer in their topic. */
  gone = 0
  unreadable = 0
  atCap = 0
  private readonly rows = new Map<string, Row>()

  /** Dead letters that the processor saw again. */
  get deadLetters(): number {
    return [...this.rows.values()].reduce((sum, { deadLetters }) => sum + deadLetters, 0)
  }

  get outputs(): number {
    return [...this.rows.values()].reduce((sum, { outputs }) => sum + outputs, 0)
  }

  of(outcome: RedriveOutcome): number {
    return [...this.rows.values()].reduce((sum, { outcomes }) => sum + (outcomes.get(outcome) ?? 0), 0)
  }

  attempted(reason: string, outcome: RedriveOutcome, outputs: number, again: readonly { readonly reason: string }[]): void {
    const row = this.row(reason)
    row.deadLetters++
    row.outputs += outputs
    add(row.outcomes, outcome)
    for (const rejection of again) add(row.again, rejection.reason)
  }

  repeat(reason: string): void {
    const row = this.row(reason)
    row.deadLetters++
    add(row.outcomes, 'repeat')
  }

  /** Lines for people. */
  lines({
    output,
    dryRun,
    maxAttempts,
  }: {
    readonly output: OutputName
    readonly dryRun: boolean
    readonly maxAttempts: number
  }): readonly string[] {
    const would = dryRun ? 'would be ' : ''
    const rows = [...this.rows].sort(([a], [b]) => (a < b ? -1 : 1))
    const left: readonly (readonly [number, string])[] = [
      [this.settledBefore, 'settled by an earlier redrive'],
      [this.filteredOut, 'not asked for'],
      [this.atCap, `have failed ${maxAttempts} times (--max-attempts)`],
      [this.withoutBytes, 'without their bytes'],
      [this.gone, 'records that are kept by their offset only, and that Kafka does not have any more'],
      [this.unreadable, 'no dead letters at all'],
    ]
    return [
      `${whole(this.deadLetters)} dead letters ${would}redriven: ${whole(this.of('succeeded'))} succeeded, ${whole(this.of('partly-succeeded'))} in part, ${whole(this.of('failed-again'))} failed again, ${whole(this.of('dropped'))} left out on purpose, ${whole(this.of('repeat'))} repeats; ${whole(this.outputs)} ${output.noun}s ${would}${output.verb}`,
      ...(rows.length === 0
        ? []
        : table(
            [
              ['reason', 'dead letters', 'succeeded', 'in part', 'again', `${output.noun}s`, 'fails again as'],
              ...rows.map(([reason, { deadLetters, outcomes, outputs, again }]) => [
                reason,
                whole(deadLetters),
                whole(outcomes.get('succeeded') ?? 0),
                whole(outcomes.get('partly-succeeded') ?? 0),
                whole(outcomes.get('failed-again') ?? 0),
                whole(outputs),
                [...again].map(([why, times]) => `${why} ${whole(times)}`).join(', '),
              ]),
            ],
            ['left', 'right', 'right', 'right', 'right', 'right', 'left'],
          )),
      ...left.filter(([count]) => count > 0).map(([count, what]) => `left alone: ${whole(count)} ${what}`),
      ...(dryRun ? ['nothing was changed'] : []),
    ]
  }

  private row(reason: string): Row {
    const row = this.rows.get(reason) ?? { deadLetters: 0, outcomes: new Map(), outputs: 0, again: new Map() }
    this.rows.set(reason, row)
    return row
  }
}

function add<Name>(counts: Map<Name, number>, name: Name): void {
  counts.set(name, (counts.get(name) ?? 0) + 1)
}
