/** Signature, flags and length of the header extension, which is empty. */
const HEADER_BYTES = 19
const TRAILER = Buffer.from([0xff, 0xff])
const NULL = -1

/**
 * Rows `first` up to, not including, `end` of a binary COPY stream, as a stream of their own.
 * @throws RangeError where the stream has fewer rows
 */
export function copyRange(stream: Buffer, first: number, end: number): Buffer {
  let at = HEADER_BYTES
  let from = at
  for (let row = 0; row < end; row++) {
    if (row === first) from = at
    at = nextRow(stream, at)
  }
  return Buffer.concat([stream.subarray(0, HEADER_BYTES), stream.subarray(first === end ? at : from, at), TRAILER])
}

function nextRow(stream: Buffer, start: number): number {
  const columns = stream.readInt16BE(start)
  if (columns < 0) throw new RangeError('the COPY stream has fewer rows than were asked for')
  let at = start + 2
  for (let column = 0; column < columns; column++) {
    const length = stream.readInt32BE(at)
    at += 4 + (length === NULL ? 0 : length)
  }
  return at
}

/** Row that an error of COPY names in its context ("COPY readings, line 7, column ts"), from 0; undefined where it names none. */
export function rowOfContext(context: string | undefined, rows: number): number | undefined {
  // The context is translated: what is looked for is the number after a word after COPY, table and comma.
  const match = /^COPY [^,]+, \S+ (\d+)/m.exec(context ?? '')
  const row = Number(match?.[1] ?? 0) - 1
  return row >= 0 && row < rows ? row : undefined
}
