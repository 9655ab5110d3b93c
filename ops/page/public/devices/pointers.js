/**
 * @typedef {object} FingerMoves
 * @property {(share: number) => void} pan by a share of the width
 * @property {(factor: number, at: number) => void} zoom around a place: a share of the width
 */

/**
 * Fingers on a chart: one moves it along, two stretch it. The page still scrolls up and down under
 * one finger (`touch-action: pan-y` in the style sheet). A mouse is uPlot's own.
 * @param {HTMLElement} area
 * @param {FingerMoves} moves
 * @param {AbortSignal} signal
 */
export function followFingers(area, { pan, zoom }, signal) {
  /** Where each finger is. @type {Map<number, number>} */
  const down = new Map()
  const apart = () => {
    const [one = 0, other = 0] = down.values()
    return { distance: Math.max(20, Math.abs(one - other)), middle: (one + other) / 2 }
  }
  area.addEventListener(
    'pointerdown',
    (event) => {
      if (event.pointerType !== 'touch') return
      down.set(event.pointerId, event.clientX)
      area.setPointerCapture(event.pointerId)
    },
    { signal },
  )
  area.addEventListener(
    'pointermove',
    (event) => {
      const before = down.get(event.pointerId)
      if (before === undefined || before === event.clientX) return
      const { left, width } = area.getBoundingClientRect()
      if (down.size === 1) {
        pan((before - event.clientX) / width)
        down.set(event.pointerId, event.clientX)
      } else {
        const was = apart()
        down.set(event.pointerId, event.clientX)
        zoom(was.distance / apart().distance, (was.middle - left) / width)
      }
    },
    { signal },
  )
  for (const end of /** @type {const} */ (['pointerup', 'pointercancel', 'lostpointercapture']))
    area.addEventListener(end, (event) => down.delete(event.pointerId), { signal })
}
