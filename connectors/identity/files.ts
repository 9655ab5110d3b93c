import { closeSync, fchmodSync, fsyncSync, openSync, renameSync, rmSync, writeFileSync } from 'node:fs'

/**
 * Writes a file in one step: whoever reads it finds the old text or the new one. It is on the disk
 * when this returns.
 */
export function replaceFile(path: string, text: string, mode: number): void {
  const part = `${path}.${process.pid}.new`
  try {
    // A part that was left over could have another mode.
    rmSync(part, { force: true })
    const file = openSync(part, 'wx', mode)
    try {
      // Whatever the umask is.
      fchmodSync(file, mode)
      writeFileSync(file, text)
      fsyncSync(file)
    } finally {
      closeSync(file)
    }
    renameSync(part, path)
  } catch (error) {
    rmSync(part, { force: true })
    throw error
  }
}
