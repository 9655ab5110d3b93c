import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { parse } from 'yaml'
import { DASHBOARDS } from '../../bin/grafana-dashboards.ts'
import { projectRoot } from '../../schemas/files.ts'

/** A recording or an alert rule. */
export interface Rule {
  readonly alert?: string
  readonly record?: string
  readonly expr: string
  readonly labels?: Readonly<Record<string, string>>
  readonly annotations?: Readonly<Record<string, string>>
}

export const RULES_FOLDER = join(projectRoot, 'deploy/prometheus')
export const RULES_FILE = join(RULES_FOLDER, 'millrace.rules.yml')

export const rules = (
  parse(readFileSync(RULES_FILE, 'utf8')) as { readonly groups: readonly { readonly rules: readonly Rule[] }[] }
).groups.flatMap((group) => group.rules)

/** What the panels of the dashboards ask. */
export const panelQueries = DASHBOARDS.flatMap(({ uid }) => {
  const { panels } = JSON.parse(readFileSync(join(projectRoot, `deploy/grafana/${uid}.json`), 'utf8')) as {
    readonly panels: readonly { readonly targets?: readonly { readonly expr: string }[] }[]
  }
  return panels.flatMap(({ targets = [] }) => targets.map(({ expr }) => expr))
})

/** Metrics of Millrace's own that an expression asks for, and records of the rules. */
export function namesIn(expr: string): readonly string[] {
  return [...expr.matchAll(/\b[a-z_]+:[a-z0-9_:]+|\b(?:millrace|kafka)_[a-z_]+/g)].map(([name]) => name)
}
