import { element } from '../dom.js'

/** @type {import('../page.js').Mount} */
export function mount(place) {
  place.append(element('p', {}, 'The line.'))
}
