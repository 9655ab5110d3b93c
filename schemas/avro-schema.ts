declare const written: unique symbol

/**
 * A parsed Avro schema. For the compiler it also carries the type of the values. `make generate`
 * makes one of each .avsc file (schemas/avro-types.ts), so that no file is read at run time.
 */
export interface AvroSchema<out Value> {
  /** Path of its .avsc file, relative to the project's root. */
  readonly path: string
  readonly json: unknown
  /** Never set: it only carries the type. */
  readonly [written]?: Value
}
