declare const written: unique symbol

/**
 * A parsed Avro schema, and, to the compiler, the type of what it writes. `make generate` makes one
 * of each .avsc file (schemas/avro-types.ts), so that neither has to be read at run time.
 */
export interface AvroSchema<out Value> {
  /** Of its .avsc file, relative to the project's root. */
  readonly path: string
  readonly json: unknown
  /** Never there. */
  readonly [written]?: Value
}
