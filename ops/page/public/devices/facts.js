/** @import { DeviceFacts } from '../../devices/messages.ts' */
import { duration } from '../format.js'
import { momentOf } from './figures.js'

/**
 * @param {number | null | undefined} ms since 1970
 * @param {number} now
 * @returns {string}
 */
export function age(ms, now) {
  if (ms == null) return '?'
  return ms > now + 1_000 ? momentOf(ms) : `${duration(Math.max(0, now - ms) / 1_000)} ago`
}

/**
 * @param {Pick<DeviceFacts, 'state' | 'silentAt'>} device
 * @param {number} now
 */
export function stateOf({ state, silentAt }, now) {
  if (state === null) return 'unknown'
  return state === 'silent' && silentAt !== null ? `silent, told ${age(silentAt, now)}` : state
}

/**
 * @param {Pick<DeviceFacts, 'state'>} device
 * @returns {string} a class
 */
export function toneOf({ state }) {
  if (state === 'lost' || state === 'silent') return 'bad'
  return state === 'ready' ? 'good' : 'quiet'
}

/** @param {Pick<DeviceFacts, 'batteryVoltage' | 'batteryLevel'>} device */
export function batteryOf({ batteryVoltage, batteryLevel }) {
  const parts = [
    batteryLevel === null ? '' : `${Math.round(batteryLevel)} %`,
    batteryVoltage === null ? '' : `${batteryVoltage.toFixed(2)} V`,
  ]
  return parts.filter(Boolean).join(', ') || '?'
}
