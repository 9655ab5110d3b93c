import { readdirSync } from 'node:fs'
import type { ReasonDoc } from '../processors/contract.ts'
import { engineReasons } from '../processors/engine.ts'
import { projectRoot } from '../schemas/files.ts'

const HEAD = `<!-- Generated from processors/*/reasons.ts by \`make generate\`. Do not edit. -->

# Dead letters

What cannot be processed goes to the topic \`<processor>.dead\` as Avro (schemas/dead-letter.avsc): where it came from, its original bytes untouched, the
index of the sample where just one sample failed, a reason code, and a detail that names the value and what was expected. A dead letter
is written before the offset of its record is committed; if it cannot be written, the partition waits. An outage never makes one.
`

/** Text of docs/dead-letters.md: every reason of every processor. */
export async function reasonsDocument(): Promise<string> {
  const sections: string[] = []
  for (const { name, isDirectory } of readdirSync(`${projectRoot}processors`, { withFileTypes: true }).map((entry) => ({
    name: entry.name,
    isDirectory: entry.isDirectory(),
  }))) {
    if (!isDirectory) continue
    const reasons = await reasonsOf(name)
    if (reasons !== undefined) sections.push(section(`\`${name}.dead\``, reasons))
  }
  return [HEAD, ...sections.sort(), section('Every processor', engineReasons)].join('\n')
}

async function reasonsOf(name: string): Promise<Readonly<Record<string, ReasonDoc>> | undefined> {
  try {
    const module = (await import(new URL(`../processors/${name}/reasons.js`, import.meta.url).href)) as {
      reasons: Readonly<Record<string, ReasonDoc>>
    }
    return module.reasons
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code === 'ERR_MODULE_NOT_FOUND') return undefined
    throw cause
  }
}

function section(title: string, reasons: Readonly<Record<string, ReasonDoc>>): string {
  const rows = Object.entries(reasons).map(([code, { means, whatToDo }]) => `| \`${code}\` | ${cell(means)} | ${cell(whatToDo)} |`)
  return `## ${title}\n\n| reason | what it means | what to do |\n|---|---|---|\n${rows.join('\n')}\n`
}

/** A bar would end the cell. */
function cell(text: string): string {
  return text.replaceAll('|', '\\|')
}
