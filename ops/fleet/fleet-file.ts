import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { closeSync, openSync } from 'node:fs'

export interface FleetFile {
  /** firmware/build/fleet */
  readonly program: string
  readonly file: string
  /** Name of the firmware that is to send it. */
  readonly firmware: string
  /** Whether values that the firmware cannot hold exactly become the nearest that it can. */
  readonly round: boolean
  /** Where the file is written as the firmware holds it. Absent: nowhere. */
  readonly to?: string
}

/** What the fleet says about a file, without sending any of it. */
export interface FileVerdict {
  /** Whether every line can be sent, and there is one. */
  readonly taken: boolean
  /**
   * Its complaints: the first bad lines with their column, their value and what was expected, then
   * how many there are.
   */
  readonly words: readonly string[]
}

/**
 * Asks the C program `fleet` whether a firmware can hold a file. It finds what the fleet would
 * refuse while sending.
 */
export async function judgeFile({ program, file, firmware, round, to }: FleetFile): Promise<FileVerdict> {
  const input = openSync(file, 'r')
  const output = to === undefined ? undefined : openSync(to, 'w')
  try {
    const args = ['--csv', '--print', '--firmware', firmware, ...(round ? ['--round'] : [])]
    const child = spawn(program, args, { stdio: [input, output ?? 'ignore', 'pipe'] })
    let said = ''
    child.stderr?.setEncoding('utf8').on('data', (text: string) => {
      said += text
    })
    const [code] = (await once(child, 'close')) as [number | null]
    const words = said
      .split('\n')
      .filter((line) => line !== '')
      .map((line) => line.replace(/^fleet: /, ''))
    return { taken: code === 0, words }
  } finally {
    closeSync(input)
    if (output !== undefined) closeSync(output)
  }
}
