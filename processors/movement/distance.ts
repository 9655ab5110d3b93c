/** A point on the Earth, WGS 84, in degrees. */
export interface Position {
  readonly latitude: number
  readonly longitude: number
}

const EARTH_RADIUS_METRES = 6_371_008.8

/** Metres along the great circle between two positions (haversine). */
export function metresBetween(a: Position, b: Position): number {
  const [from, to] = [radians(a.latitude), radians(b.latitude)]
  const half = Math.sin((to - from) / 2) ** 2 + Math.cos(from) * Math.cos(to) * Math.sin(radians(b.longitude - a.longitude) / 2) ** 2
  return 2 * EARTH_RADIUS_METRES * Math.asin(Math.min(1, Math.sqrt(half)))
}

/**
 * The median by component: up to two positions of five may be anywhere. Longitudes are taken
 * relative to the first, so that the date line is no edge.
 */
export function medianPosition(positions: readonly [Position, ...Position[]]): Position {
  const [{ longitude: origin }] = positions
  const offset = median(positions.map(({ longitude }) => wrapped(longitude - origin)))
  return { latitude: median(positions.map(({ latitude }) => latitude)), longitude: wrapped(origin + offset) }
}

function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b)
  const middle = sorted.length >> 1
  const [low, high] = [sorted[(sorted.length - 1) >> 1] ?? Number.NaN, sorted[middle] ?? Number.NaN]
  return (low + high) / 2
}

/** From -180 up to 180 degrees. */
function wrapped(degrees: number): number {
  return ((((degrees + 180) % 360) + 360) % 360) - 180
}

function radians(degrees: number): number {
  return (degrees * Math.PI) / 180
}
