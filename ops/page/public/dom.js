/**
 * The only way for text into the document: as text nodes, with invisible characters spelt out.
 */
import { visible } from './visible.js'

/** @typedef {Node | string | number | null | undefined | false} Child */

/**
 * Makes an element.
 * @template {keyof HTMLElementTagNameMap} Tag
 * @param {Tag} tag
 * @param {Readonly<Record<string, string | number | boolean | undefined>>} attributes `true` is an
 *   attribute without a value; `false` and undefined are none
 * @param {...Child} children
 * @returns {HTMLElementTagNameMap[Tag]}
 */
export function element(tag, attributes = {}, ...children) {
  const made = document.createElement(tag)
  for (const [name, value] of Object.entries(attributes)) setAttribute(made, name, value)
  made.append(...nodes(children))
  return made
}

/**
 * The same for SVG.
 * @template {keyof SVGElementTagNameMap} Tag
 * @param {Tag} tag
 * @param {Readonly<Record<string, string | number | boolean | undefined>>} attributes
 * @param {...Child} children
 * @returns {SVGElementTagNameMap[Tag]}
 */
export function svg(tag, attributes = {}, ...children) {
  const made = document.createElementNS('http://www.w3.org/2000/svg', tag)
  for (const [name, value] of Object.entries(attributes)) setAttribute(made, name, value)
  made.append(...nodes(children))
  return made
}

/**
 * Sets an attribute, or takes it away.
 * @param {Element} target
 * @param {string} name
 * @param {string | number | boolean | undefined} value
 */
export function setAttribute(target, name, value) {
  // Handlers are functions, and styles are classes: the content security policy takes nothing else.
  if (/^on|^style$/i.test(name)) throw new Error(`${name} is not for an attribute`)
  if (value === undefined || value === false) target.removeAttribute(name)
  else {
    const text = value === true ? '' : visible(String(value))
    if (target.getAttribute(name) !== text) target.setAttribute(name, text)
  }
}

/**
 * Gives an element this text. One that has it already is left alone, so that a selection in it and
 * a reader of the screen are not disturbed.
 * @param {Element} target
 * @param {string | number} text
 */
export function setText(target, text) {
  const shown = visible(String(text))
  if (target.textContent !== shown) target.textContent = shown
}

/**
 * Gives an element these children.
 * @param {Element} target
 * @param {...Child} children
 */
export function setChildren(target, ...children) {
  target.replaceChildren(...nodes(children))
}

/**
 * @param {readonly Child[]} children
 * @returns {Node[]}
 */
function nodes(children) {
  return children.flatMap((child) => {
    if (child === null || child === undefined || child === false) return []
    return [child instanceof Node ? child : document.createTextNode(visible(String(child)))]
  })
}
