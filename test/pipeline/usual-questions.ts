import { readFileSync } from 'node:fs'
import { projectRoot } from '../../schemas/files.ts'

export interface Question {
  readonly title: string
  /** As printed in docs/queries.md. */
  readonly sql: string
}

/** A heading, and the code under it. */
const QUESTION = /^### (.*)\n\n((?: {4}.*\n)+)/gm

/** The questions of docs/queries.md, in its order. */
export function usualQuestions(page = readFileSync(`${projectRoot}docs/queries.md`, 'utf8')): readonly Question[] {
  return [...page.matchAll(QUESTION)].map(([, title = '', code = '']) => ({ title, sql: code.replaceAll(/^ {4}/gm, '').trimEnd() }))
}
