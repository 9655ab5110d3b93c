/** The table of docs/processes/movement.md: what `movement` makes of the cases. */
import { HIVES, type Measured } from './measure.ts'

const BEGIN = '<!-- Generated from processors/movement/harsh/ by `make generate`: begin -->'
const END = '<!-- end -->'

/** The page with the table as measured. */
export function withTable(page: string, measured: readonly Measured[]): string {
  const [begin, end] = [page.indexOf(BEGIN), page.indexOf(END)]
  if (begin < 0 || end < begin) throw new Error(`expected ${BEGIN} and ${END} in the page`)
  return `${page.slice(0, begin)}${BEGIN}\n${tableOf(measured)}\n${page.slice(end)}`
}

/** Whether every move was found, and nothing else. */
export function isRight({ moves, found, falseRests, falseSites, falseTransits }: Measured): boolean {
  return found === moves && falseRests + falseSites + falseTransits === 0
}

function tableOf(measured: readonly Measured[]): string {
  const rows = measured.map((each) => {
    const { name, moves, found, delayHours, delayFixes, falseRests, falseSites, falseTransits } = each
    const moved = moves === 0 ? '' : `${found} of ${moves}`
    const wrong = [falseRests, falseSites, falseTransits].map((count) => (count === 0 ? '' : `**${count}**`))
    return `| ${[isRight(each) ? 'yes' : '**no**', name, moved, spread(delayHours, 1), spread(delayFixes, 0), ...wrong].join(' | ')} |`
  })
  return [
    `| right | ${HIVES} hives each | moves found | after hours | after fixes | false rests | false sites | false transits |`,
    '|---|---|---|---|---|---|---|---|',
    ...rows,
  ].join('\n')
}

/** Median and worst. */
function spread(inOrder: readonly number[], decimals: number): string {
  const [median, worst] = [inOrder[inOrder.length >> 1], inOrder.at(-1)]
  return median === undefined || worst === undefined ? '' : `${median.toFixed(decimals)}, at most ${worst.toFixed(decimals)}`
}
