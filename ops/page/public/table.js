import { element, setAttribute, setText } from './dom.js'

/**
 * @template Row
 * @typedef {object} Column
 * @property {string} name
 * @property {(row: Row) => string | number} text
 * @property {(row: Row) => string} [href] makes a link of the text
 * @property {(row: Row) => string} [tone] a class: good, warn, bad, quiet
 * @property {boolean} [number] right-aligned
 * @property {boolean} [wide] prose, which is not squeezed into a narrow column
 */

/**
 * A table that is kept current: rows keep their elements, so that the focus stays where it is.
 * @template Row
 * @param {string} caption
 * @param {readonly Column<Row>[]} columns the first one heads its row
 * @param {(row: Row) => string} key what tells rows apart
 * @returns {{ element: HTMLElement, update: (rows: readonly Row[], empty?: string) => void }}
 */
export function table(caption, columns, key) {
  const body = element('tbody')
  const empty = element('p', { class: 'quiet' })
  const head = element('tr', {}, ...columns.map((column) => element('th', { scope: 'col', class: shapeOf(column) }, column.name)))
  const shown = element('table', {}, element('caption', {}, caption), element('thead', {}, head), body)
  // Keyboards scroll what has the focus (axe: scrollable-region-focusable).
  const frame = element('div', { class: 'scrolls', tabindex: 0, role: 'region', 'aria-label': caption }, shown)
  // There is nothing in it yet.
  frame.hidden = true
  /** @type {Map<string, HTMLTableRowElement>} */
  let before = new Map()
  return {
    element: element('div', { class: 'table' }, frame, empty),
    update(rows, none = 'none') {
      /** @type {Map<string, HTMLTableRowElement>} */
      const now = new Map()
      for (const row of rows) {
        const name = key(row)
        const line = before.get(name) ?? blank(columns)
        fill(line, columns, row)
        now.set(name, line)
      }
      for (const [name, line] of before) if (!now.has(name)) line.remove()
      let place = body.firstElementChild
      for (const line of now.values()) {
        if (line === place) place = line.nextElementSibling
        else body.insertBefore(line, place)
      }
      before = now
      frame.hidden = rows.length === 0
      empty.hidden = rows.length > 0
      setText(empty, `${caption}: ${none}`)
    },
  }
}

/**
 * @param {{ readonly number?: boolean, readonly wide?: boolean }} column
 * @returns {string} a class
 */
function shapeOf({ number, wide }) {
  return number ? 'number' : wide ? 'wide' : ''
}

/**
 * @template Row
 * @param {readonly Column<Row>[]} columns
 * @returns {HTMLTableRowElement}
 */
function blank(columns) {
  return element(
    'tr',
    {},
    ...columns.map(({ href }, index) =>
      element(index === 0 ? 'th' : 'td', index === 0 ? { scope: 'row' } : {}, href === undefined ? null : element('a')),
    ),
  )
}

/**
 * @template Row
 * @param {HTMLTableRowElement} line
 * @param {readonly Column<Row>[]} columns
 * @param {Row} row
 */
function fill(line, columns, row) {
  for (const [index, column] of columns.entries()) {
    const { text, href, tone } = column
    const cell = /** @type {Element} */ (line.children[index])
    const link = href === undefined ? undefined : /** @type {Element} */ (cell.firstElementChild)
    if (link !== undefined) setAttribute(link, 'href', href?.(row))
    setText(link ?? cell, text(row))
    setAttribute(cell, 'class', `${shapeOf(column)} ${tone?.(row) ?? ''}`.trim())
  }
}
