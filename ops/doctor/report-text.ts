import { table } from '../text-table.ts'
import { countOf, type Diagnosis, type Report } from './examine.ts'
import { cpuList } from './machine.ts'
import { dropInPath } from './pinning.ts'
import { bytes } from './rule.ts'

/** The report for people: what is wrong first, what is right in one line each. */
export function reportLines(report: Report): readonly string[] {
  const { diagnoses, unseen } = report
  const wrong = diagnoses.filter(({ severity }) => severity === 'fault' || severity === 'advice')
  const unknown = diagnoses.filter(({ severity }) => severity === 'unknown')
  const good = diagnoses.filter(({ severity }) => severity === 'good')
  return [
    ...topologyLines(report),
    '',
    ...wrong.flatMap((each) => [...wrongLines(each), '']),
    ...section('Could not be seen:', [...unknown.map((each) => `${name(each)}: ${each.found.replace(/^not known: /, '')}`), ...unseen]),
    ...section(
      'As it should be:',
      table(
        good.map((each) => [name(each), each.found]),
        ['left', 'left'],
      ),
    ),
    ...pinningLines(report),
    '',
    `${plural(countOf(report, 'fault'), 'fault')}, ${countOf(report, 'advice')} to improve, ${countOf(report, 'unknown') + unseen.length} not seen, ${good.length} as it should be (docs/bare-metal.md)`,
  ]
}

function topologyLines({ topology: { sockets, nodes, elsewhere } }: Report): readonly string[] {
  const rows = nodes.map(({ id, cpus, memoryBytes, devices }) => [
    `node ${id}`,
    `CPUs ${cpuList(cpus)}`,
    memoryBytes === undefined ? '' : bytes(memoryBytes),
    devices.join(', '),
  ])
  return [
    `${sockets === undefined ? '' : `${plural(sockets, 'socket')}, `}${plural(nodes.length, 'node')}:`,
    ...table(rows, ['left', 'left', 'right', 'left']).map((line) => `  ${line}`),
    ...(elsewhere.length === 0 ? [] : [`  at no node that is known: ${elsewhere.join(', ')}`]),
  ]
}

function name({ rule, subject }: Diagnosis): string {
  return subject === undefined ? rule : `${rule} (${subject})`
}

function wrongLines(diagnosis: Diagnosis): readonly string[] {
  const { severity, found, expected, why, command } = diagnosis
  return [
    `${severity === 'fault' ? 'FAULT ' : 'advice'}  ${name(diagnosis)}`,
    `        found     ${found}`,
    `        expected  ${expected}`,
    `        because   ${why}`,
    ...(command === undefined ? [] : [`        change    ${command}`]),
  ]
}

function section(heading: string, lines: readonly string[]): readonly string[] {
  return lines.length === 0 ? [] : [heading, ...lines.map((line) => `  ${line}`), '']
}

function pinningLines({ pinning }: Report): readonly string[] {
  if (pinning.tag === 'none') return ['Pinning: none.', `  ${pinning.why}`]
  const rows = pinning.units.map(({ unit, node, cpus, because }) => [unit, `node ${node}`, `CPUs ${cpuList(cpus)}`, because])
  return [
    'Pinning (`millrace doctor --pinning /etc/systemd/system` writes it as drop-ins):',
    ...table(rows, ['left', 'left', 'left', 'left']).map((line) => `  ${line}`),
  ]
}

function plural(count: number, what: string): string {
  return `${count} ${what}${count === 1 ? '' : 's'}`
}

/** The same for programs. */
export function reportJson(report: Report): object {
  const { diagnoses, unseen, topology, pinning } = report
  return {
    topology,
    faults: countOf(report, 'fault'),
    advice: countOf(report, 'advice'),
    unknown: countOf(report, 'unknown'),
    findings: diagnoses,
    unseen,
    pinning: pinning.tag === 'none' ? pinning : { ...pinning, units: pinning.units.map((unit) => ({ ...unit, dropIn: dropInPath(unit) })) },
  }
}
