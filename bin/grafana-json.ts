/** A picture of a dashboard. */
export interface Panel {
  readonly title: string
  /** What to look for. */
  readonly description: string
  /** A unit of Grafana's. */
  readonly unit: 'short' | 's' | 'bytes' | 'Bps' | 'cps' | 'percentunit'
  readonly kind?: 'timeseries' | 'stat'
  /** Expressions, and how their series are called. */
  readonly targets: readonly (readonly [expr: string, legend: string])[]
}

export interface Row {
  readonly title: string
  readonly panels: readonly Panel[]
}

/** A dashboard for Grafana. */
export interface Dashboard {
  readonly uid: string
  readonly title: string
  readonly rows: readonly Row[]
}

/** In columns of Grafana's grid. */
const WIDTH = 24
const PANEL = { w: 6, h: 8 }
const DATASOURCE = { type: 'prometheus', uid: '$datasource' }

/** A dashboard in Grafana's JSON model, which versions 9 to 12 import. */
export function dashboardJson({ uid, title, rows }: Dashboard): string {
  const panels: object[] = []
  let y = 0
  for (const row of rows) {
    panels.push({
      id: panels.length + 1,
      type: 'row',
      title: row.title,
      collapsed: false,
      gridPos: { x: 0, y, w: WIDTH, h: 1 },
      panels: [],
    })
    y += 1
    for (const [index, panel] of row.panels.entries()) {
      const x = (index * PANEL.w) % WIDTH
      if (index > 0 && x === 0) y += PANEL.h
      panels.push(panelJson(panel, panels.length + 1, { x, y, ...PANEL }))
    }
    y += PANEL.h
  }
  const model = {
    uid,
    title,
    tags: ['millrace'],
    schemaVersion: 38,
    editable: true,
    refresh: '30s',
    time: { from: 'now-3h', to: 'now' },
    timezone: 'browser',
    templating: { list: [{ name: 'datasource', label: 'Prometheus', type: 'datasource', query: 'prometheus', current: {}, hide: 0 }] },
    annotations: { list: [] },
    panels,
  }
  return `${JSON.stringify(model, undefined, 2)}\n`
}

function panelJson({ title, description, unit, kind = 'timeseries', targets }: Panel, id: number, gridPos: object): object {
  const stat = {
    reduceOptions: { calcs: ['lastNotNull'], fields: '', values: false },
    colorMode: 'background',
    graphMode: 'none',
    textMode: 'value_and_name',
  }
  const lines = { legend: { displayMode: 'list', placement: 'bottom', showLegend: true }, tooltip: { mode: 'multi', sort: 'desc' } }
  const thresholds = {
    mode: 'absolute',
    steps: [
      { color: 'red', value: null },
      { color: 'green', value: 1 },
    ],
  }
  return {
    id,
    type: kind,
    title,
    description,
    gridPos,
    datasource: DATASOURCE,
    fieldConfig: { defaults: { unit, min: 0, ...(kind === 'stat' ? { thresholds } : {}) }, overrides: [] },
    options: kind === 'stat' ? stat : lines,
    targets: targets.map(([expr, legendFormat], index) => ({
      refId: String.fromCharCode(65 + index),
      datasource: DATASOURCE,
      expr,
      legendFormat,
    })),
  }
}
