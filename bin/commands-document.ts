import { createProgram, every } from './program.ts'

/** Columns of the help texts in the document. */
const COLUMNS = 110

/** Text of docs/commands.md: the help of each command. */
export function commandsDocument(): string {
  const parts = ['<!-- Generated from bin/*.command.ts by `make generate`. Do not edit. -->\n\n# Commands\n']
  for (const command of every(createProgram())) {
    let help = ''
    command.configureOutput({ writeOut: (text) => (help += text), getOutHelpWidth: () => COLUMNS, getOutHasColors: () => false })
    command.outputHelp()
    parts.push(`## \`${path(command)}\`\n\n\`\`\`text\n${help.trim()}\n\`\`\`\n`)
  }
  return parts.join('\n')
}

function path(command: ReturnType<typeof every>[number]): string {
  return command.parent === null ? command.name() : `${path(command.parent)} ${command.name()}`
}
