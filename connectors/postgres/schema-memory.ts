import type { RememberedSchema, SchemaMemory } from '../contract.ts'
import { createDatabase } from './database.ts'
import type { Session } from './session.ts'

const CONNECT_TIMEOUT_MS = 2_000
const ANSWER_TIMEOUT_MS = 5_000

/**
 * Schemas in table `registered_schema` of the app database. It soon gives up a database that does
 * not answer: see SchemaMemory.
 */
export function createSchemaMemory(url: string): SchemaMemory {
  /**
   * Connects for a moment only: there is something to keep only when somebody registers a schema.
   */
  async function use<Result>(work: (session: Session) => Promise<Result>): Promise<Result> {
    await using database = createDatabase({
      url,
      applicationName: 'millrace schemas',
      connectTimeoutMs: CONNECT_TIMEOUT_MS,
      statementTimeoutMs: ANSWER_TIMEOUT_MS,
      answerTimeoutMs: ANSWER_TIMEOUT_MS,
    })
    return await database.use(work)
  }

  return {
    recall: (prefix) =>
      use((session) =>
        session.query<RememberedSchema & Record<string, unknown>>(
          'reading the schemas of earlier times',
          `SELECT subject, version, schema_id AS id, text, encode(fingerprint, 'hex') AS fingerprint FROM registered_schema
             WHERE starts_with(subject, $1) ORDER BY seen_at, version`,
          [prefix],
        ),
      ),
    memorise: (schemas) =>
      use(async (session) => {
        await session.query(
          'keeping schemas',
          `INSERT INTO registered_schema (subject, version, schema_id, text, fingerprint)
             SELECT subject, version, id, text, decode(fingerprint, 'hex')
             FROM unnest($1::text[], $2::integer[], $3::integer[], $4::text[], $5::text[]) AS s (subject, version, id, text, fingerprint)
             ON CONFLICT (schema_id, fingerprint) DO UPDATE SET subject = excluded.subject, version = excluded.version, text = excluded.text, seen_at = now()
             WHERE registered_schema.text <> excluded.text`,
          [
            schemas.map(({ subject }) => subject),
            schemas.map(({ version }) => version),
            schemas.map(({ id }) => id),
            schemas.map(({ text }) => text),
            schemas.map(({ fingerprint }) => fingerprint),
          ],
        )
      }),
  }
}
