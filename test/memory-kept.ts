import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'

/**
 * What the process keeps, in bytes, after a collection: without one, the figure is what nobody
 * needs any more too, and depends on how busy the machine is.
 */
export function memoryKept(): NodeJS.MemoryUsage {
  setFlagsFromString('--expose-gc')
  const collect: unknown = runInNewContext('gc')
  if (typeof collect !== 'function') throw new Error('expected a collector of garbage')
  collect()
  return process.memoryUsage()
}
