import { once } from 'node:events'
import { type FileHandle, open } from 'node:fs/promises'
import type { Writable } from 'node:stream'

/** Where bytes go, one call after the other. */
export interface ByteSink extends AsyncDisposable {
  write(bytes: string | Uint8Array): Promise<void>
  /** Resolves to the bytes so far, once they are as durable as the sink can make them. */
  sync(): Promise<number>
}

/** Whoever read the output has closed it, as `head` does. */
export class OutputClosed extends Error {
  override readonly name = 'OutputClosed'
}

/** A stream such as standard output: writing waits for whoever reads it. */
export function streamSink(stream: Writable): ByteSink {
  let bytesSoFar = 0
  let failure: Error | undefined
  const fail = (cause: NodeJS.ErrnoException): void => {
    failure = cause.code === 'EPIPE' ? new OutputClosed('the output was closed', { cause }) : cause
  }
  stream.on('error', fail)
  const check = (): void => {
    if (failure !== undefined) throw failure
  }
  return {
    async write(bytes) {
      check()
      bytesSoFar += Buffer.byteLength(bytes)
      // If the stream fails, `once` rejects with its error, and `check` throws ours.
      if (!stream.write(bytes)) await once(stream, 'drain').catch(() => undefined)
      check()
    },
    async sync() {
      check()
      return bytesSoFar
    },
    async [Symbol.asyncDispose]() {
      stream.off('error', fail)
    },
  }
}

/** A file that is not there yet. */
export async function createFile(path: string): Promise<ByteSink> {
  return fileSink(await open(path, 'wx'), 0)
}

/** A file as it was when it had so many bytes: what was written later is cut off. */
export async function reopenFile(path: string, bytes: number): Promise<ByteSink> {
  const file = await open(path, 'r+')
  try {
    const { size } = await file.stat()
    if (size < bytes) throw new RangeError(`${path} has ${size} bytes, and had ${bytes} before: it is another file`)
    await file.truncate(bytes)
    return fileSink(file, bytes)
  } catch (cause) {
    await file.close()
    throw cause
  }
}

function fileSink(file: FileHandle, begin: number): ByteSink {
  let at = begin
  return {
    async write(given) {
      const bytes = typeof given === 'string' ? Buffer.from(given) : given
      for (let done = 0; done < bytes.length; ) {
        const { bytesWritten } = await file.write(bytes, done, bytes.length - done, at)
        done += bytesWritten
        at += bytesWritten
      }
    },
    async sync() {
      await file.datasync()
      return at
    },
    [Symbol.asyncDispose]: () => file.close(),
  }
}
