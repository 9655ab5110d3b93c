/**
 * Where an archive is: names are relative to it, with `/` between folder and file. Whoever reads
 * sees an object as it was or as it is, never a part of it; what a call has done is durable when it
 * resolves. Throws ConnectorError.
 */
export interface ArchivePlace extends AsyncDisposable {
  /** For people, and for DuckDB: /var/lib/archive or s3://bucket/prefix. */
  readonly location: string
  /**
   * A folder of this machine and of this process alone, where files are prepared. It goes with the
   * place.
   */
  readonly work: string
  /** Removes what killed runs left of their work. Only one run may be at work then. */
  tidy(): Promise<void>
  /** Moves a file from `work` there, in place of what has that name. */
  put(name: string, path: string): Promise<void>
  putText(name: string, text: string): Promise<void>
  /** Undefined if there is no such object. */
  getText(name: string): Promise<string | undefined>
  /**
   * A path at which the object can be read, until the place is disposed. Undefined if there is
   * none.
   */
  read(name: string): Promise<string | undefined>
  /** Copies an object to another name. False if there is none. */
  copy(from: string, to: string): Promise<boolean>
  /** Does nothing if there is no such object. */
  remove(name: string): Promise<void>
}
