// Generated from schemas/readings.avsc by `make generate`. Do not edit.
import type { AvroSchema } from '../avro-schema.ts'
import { ownQuantities, withOwnQuantities } from '../own-quantities.ts'
import type { Quantity } from '../quantities.ts'

export interface Sample {
  /** Time of the sample. Microseconds since 1970. */
  readonly ts: number
  /** True where the device had no time of day, and ts was derived from the moment of receipt. */
  readonly time_estimated: boolean
  /** Account that the device was assigned to at ts. */
  readonly account_id: number | null
  /** Site that the device was assigned to at ts. */
  readonly site_id: number | null
  /** Temperature at the sensor. Unit Cel, from -60 to 200. */
  readonly temperature: number | null
  /** Relative humidity. Unit %, from 0 to 100. */
  readonly humidity: number | null
  /** Weight on the scale; a little below zero when it drifts. Unit kg, from -5 to 1000. */
  readonly weight: number | null
  /** Voltage of the device's battery. Unit V, from 0 to 60. */
  readonly battery_voltage: number | null
  /** Remaining charge of the device's battery. Unit %, from 0 to 100. */
  readonly battery_level: number | null
  /** Sound pressure level, referred to 20 micropascals. Unit dB, from 0 to 160. */
  readonly sound_level: number | null
  /** Absolute pressure. Unit hPa, from 0 to 20000. */
  readonly pressure: number | null
  /** Vibration velocity, root mean square. Unit mm/s, from 0 to 1000. */
  readonly vibration: number | null
  /** Active power; negative when fed back. Unit W, from -10000000 to 10000000. */
  readonly power: number | null
  /** Electric current, root mean square for alternating current. Unit A, from -10000 to 10000. */
  readonly electric_current: number | null
  /** Revolutions a minute. Unit /min, from 0 to 200000. */
  readonly rotational_speed: number | null
  /** Volume fraction of carbon dioxide in air. Unit [ppm], from 0 to 100000. */
  readonly carbon_dioxide: number | null
  /** Illuminance. Unit lx, from 0 to 200000. */
  readonly illuminance: number | null
  /** Latitude, WGS 84. Unit deg, from -90 to 90. */
  readonly latitude: number | null
  /** Longitude, WGS 84. Unit deg, from -180 to 180. */
  readonly longitude: number | null
  /** Received signal strength of the device's radio. Unit dB[mW], from -200 to 50. */
  readonly signal_strength: number | null
  /** Counter of active energy taken from the mains or, on a generator, produced. It rises; a fall is a reset or another meter, not a negative consumption. Unit kW.h, from 0 to 1000000000. */
  readonly energy: number | null
  /** Counter of active energy fed back, on meters that count both directions. It rises; a fall is a reset or another meter. Unit kW.h, from 0 to 1000000000. */
  readonly energy_exported: number | null
  /** Voltage of the mains or of a supply, root mean square for alternating current. The device's own battery has battery_voltage. Unit V, from -10000 to 1000000. */
  readonly voltage: number | null
  /** Frequency of the alternating current. Unit Hz, from 0 to 10000. */
  readonly frequency: number | null
  /** Active power through apparent power; negative when fed back. Unit 1, from -1 to 1. */
  readonly power_factor: number | null
  /** Apparent power; negative on meters that give it the sign of the active power. Unit V.A, from -10000000 to 10000000. */
  readonly apparent_power: number | null
  /** Reactive power in var, for which UCUM has the code V.A; positive if inductive. Unit V.A, from -10000000 to 10000000. */
  readonly reactive_power: number | null
  /** Counter of water, gas or another fluid that has passed. It rises; a fall is a reset or another meter. Unit m3, from 0 to 1000000000. */
  readonly volume: number | null
  /** Volume of a fluid that passes in an hour; negative backwards. Unit m3/h, from -1000000 to 1000000. */
  readonly volume_flow: number | null
  /** Distance from the sensor to what it looks at, such as the surface in a tank. Unit m, from 0 to 100000. */
  readonly distance: number | null
  /** Height above mean sea level or, if the receiver gives that, above the ellipsoid of WGS 84. Unit m, from -500 to 100000. */
  readonly altitude: number | null
  /** Speed over ground. In km/h, as trackers send it: metres a second become exact decimals of it, but 50 km/h would be no decimal of metres a second. Unit km/h, from 0 to 2000. */
  readonly speed: number | null
  /** Radius around latitude and longitude in which the device believes itself. Unit m, from 0 to 10000000. */
  readonly position_accuracy: number | null
  /** Signal-to-noise ratio of the device's radio, as the receiver measured it. Unit dB, from -100 to 100. */
  readonly signal_to_noise: number | null
  /** Volume fraction of water in soil. Unit %, from 0 to 100. */
  readonly soil_moisture: number | null
  /** Mass of particles of up to 2.5 micrometres in air. Unit ug/m3, from 0 to 100000. */
  readonly pm2_5: number | null
  /** Mass of particles of up to 10 micrometres in air. Unit ug/m3, from 0 to 100000. */
  readonly pm10: number | null
  /** Wind speed, the mean of the station's interval. Unit m/s, from 0 to 150. */
  readonly wind_speed: number | null
  /** Highest wind speed of the station's interval. Unit m/s, from 0 to 150. */
  readonly wind_gust: number | null
  /** Direction that the wind comes from, clockwise from north. Unit deg, from 0 to 360. */
  readonly wind_direction: number | null
  /** Counter of precipitation, as height of water. It rises; a fall is a reset. Unit mm, from 0 to 10000000. */
  readonly rainfall: number | null
  /** Power of sunlight on a horizontal surface; global radiation. Unit W/m2, from 0 to 5000. */
  readonly irradiance: number | null
}

/** Standard readings: the samples of one frame, in standard units, with account and site as of each sample's own time. This file is the source of the range checks, the TypeScript types, the columns of table readings, and the axes and units of the live page. */
export interface Readings {
  /** Device ID: the topic level that the broker tied to the authenticated user. */
  readonly device_id: string
  /** Firmware that wrote the frame: model and version, as in hive-1. */
  readonly firmware: string
  /** Boot counter of the frame. */
  readonly boot: number
  /** Frame number within the boot. */
  readonly seq: number
  /** Samples that the device reports to have discarded since its last frame. */
  readonly dropped: number
  /** Samples in the frame's order. */
  readonly samples: readonly Sample[]
}

/** schemas/readings.avsc */
export const readingsSchema: AvroSchema<Readings> = {
  path: "schemas/readings.avsc",
  json: withOwnQuantities({"type":"record","name":"Readings","namespace":"millrace","doc":"Standard readings: the samples of one frame, in standard units, with account and site as of each sample's own time. This file is the source of the range checks, the TypeScript types, the columns of table readings, and the axes and units of the live page.","fields":[{"name":"device_id","type":"string","doc":"Device ID: the topic level that the broker tied to the authenticated user."},{"name":"firmware","type":"string","doc":"Firmware that wrote the frame: model and version, as in hive-1."},{"name":"boot","type":"int","doc":"Boot counter of the frame."},{"name":"seq","type":"int","doc":"Frame number within the boot."},{"name":"dropped","type":"int","default":0,"doc":"Samples that the device reports to have discarded since its last frame."},{"name":"samples","type":{"type":"array","items":{"type":"record","name":"Sample","fields":[{"name":"ts","type":{"type":"long","logicalType":"timestamp-micros"},"doc":"Time of the sample."},{"name":"time_estimated","type":"boolean","doc":"True where the device had no time of day, and ts was derived from the moment of receipt."},{"name":"account_id","type":["null","long"],"default":null,"doc":"Account that the device was assigned to at ts."},{"name":"site_id","type":["null","long"],"default":null,"doc":"Site that the device was assigned to at ts."},{"name":"temperature","type":["null","double"],"default":null,"unit":"Cel","minimum":-60,"maximum":200,"doc":"Temperature at the sensor."},{"name":"humidity","type":["null","double"],"default":null,"unit":"%","minimum":0,"maximum":100,"doc":"Relative humidity."},{"name":"weight","type":["null","double"],"default":null,"unit":"kg","minimum":-5,"maximum":1000,"doc":"Weight on the scale; a little below zero when it drifts."},{"name":"battery_voltage","type":["null","double"],"default":null,"unit":"V","minimum":0,"maximum":60,"doc":"Voltage of the device's battery."},{"name":"battery_level","type":["null","double"],"default":null,"unit":"%","minimum":0,"maximum":100,"doc":"Remaining charge of the device's battery."},{"name":"sound_level","type":["null","double"],"default":null,"unit":"dB","minimum":0,"maximum":160,"doc":"Sound pressure level, referred to 20 micropascals."},{"name":"pressure","type":["null","double"],"default":null,"unit":"hPa","minimum":0,"maximum":20000,"doc":"Absolute pressure."},{"name":"vibration","type":["null","double"],"default":null,"unit":"mm/s","minimum":0,"maximum":1000,"doc":"Vibration velocity, root mean square."},{"name":"power","type":["null","double"],"default":null,"unit":"W","minimum":-10000000,"maximum":10000000,"doc":"Active power; negative when fed back."},{"name":"electric_current","type":["null","double"],"default":null,"unit":"A","minimum":-10000,"maximum":10000,"doc":"Electric current, root mean square for alternating current."},{"name":"rotational_speed","type":["null","double"],"default":null,"unit":"/min","minimum":0,"maximum":200000,"doc":"Revolutions a minute."},{"name":"carbon_dioxide","type":["null","double"],"default":null,"unit":"[ppm]","minimum":0,"maximum":100000,"doc":"Volume fraction of carbon dioxide in air."},{"name":"illuminance","type":["null","double"],"default":null,"unit":"lx","minimum":0,"maximum":200000,"doc":"Illuminance."},{"name":"latitude","type":["null","double"],"default":null,"unit":"deg","minimum":-90,"maximum":90,"doc":"Latitude, WGS 84."},{"name":"longitude","type":["null","double"],"default":null,"unit":"deg","minimum":-180,"maximum":180,"doc":"Longitude, WGS 84."},{"name":"signal_strength","type":["null","double"],"default":null,"unit":"dB[mW]","minimum":-200,"maximum":50,"doc":"Received signal strength of the device's radio."},{"name":"energy","type":["null","double"],"default":null,"unit":"kW.h","minimum":0,"maximum":1000000000,"doc":"Counter of active energy taken from the mains or, on a generator, produced. It rises; a fall is a reset or another meter, not a negative consumption."},{"name":"energy_exported","type":["null","double"],"default":null,"unit":"kW.h","minimum":0,"maximum":1000000000,"doc":"Counter of active energy fed back, on meters that count both directions. It rises; a fall is a reset or another meter."},{"name":"voltage","type":["null","double"],"default":null,"unit":"V","minimum":-10000,"maximum":1000000,"doc":"Voltage of the mains or of a supply, root mean square for alternating current. The device's own battery has battery_voltage."},{"name":"frequency","type":["null","double"],"default":null,"unit":"Hz","minimum":0,"maximum":10000,"doc":"Frequency of the alternating current."},{"name":"power_factor","type":["null","double"],"default":null,"unit":"1","minimum":-1,"maximum":1,"doc":"Active power through apparent power; negative when fed back."},{"name":"apparent_power","type":["null","double"],"default":null,"unit":"V.A","minimum":-10000000,"maximum":10000000,"doc":"Apparent power; negative on meters that give it the sign of the active power."},{"name":"reactive_power","type":["null","double"],"default":null,"unit":"V.A","minimum":-10000000,"maximum":10000000,"doc":"Reactive power in var, for which UCUM has the code V.A; positive if inductive."},{"name":"volume","type":["null","double"],"default":null,"unit":"m3","minimum":0,"maximum":1000000000,"doc":"Counter of water, gas or another fluid that has passed. It rises; a fall is a reset or another meter."},{"name":"volume_flow","type":["null","double"],"default":null,"unit":"m3/h","minimum":-1000000,"maximum":1000000,"doc":"Volume of a fluid that passes in an hour; negative backwards."},{"name":"distance","type":["null","double"],"default":null,"unit":"m","minimum":0,"maximum":100000,"doc":"Distance from the sensor to what it looks at, such as the surface in a tank."},{"name":"altitude","type":["null","double"],"default":null,"unit":"m","minimum":-500,"maximum":100000,"doc":"Height above mean sea level or, if the receiver gives that, above the ellipsoid of WGS 84."},{"name":"speed","type":["null","double"],"default":null,"unit":"km/h","minimum":0,"maximum":2000,"doc":"Speed over ground. In km/h, as trackers send it: metres a second become exact decimals of it, but 50 km/h would be no decimal of metres a second."},{"name":"position_accuracy","type":["null","double"],"default":null,"unit":"m","minimum":0,"maximum":10000000,"doc":"Radius around latitude and longitude in which the device believes itself."},{"name":"signal_to_noise","type":["null","double"],"default":null,"unit":"dB","minimum":-100,"maximum":100,"doc":"Signal-to-noise ratio of the device's radio, as the receiver measured it."},{"name":"soil_moisture","type":["null","double"],"default":null,"unit":"%","minimum":0,"maximum":100,"doc":"Volume fraction of water in soil."},{"name":"pm2_5","type":["null","double"],"default":null,"unit":"ug/m3","minimum":0,"maximum":100000,"doc":"Mass of particles of up to 2.5 micrometres in air."},{"name":"pm10","type":["null","double"],"default":null,"unit":"ug/m3","minimum":0,"maximum":100000,"doc":"Mass of particles of up to 10 micrometres in air."},{"name":"wind_speed","type":["null","double"],"default":null,"unit":"m/s","minimum":0,"maximum":150,"doc":"Wind speed, the mean of the station's interval."},{"name":"wind_gust","type":["null","double"],"default":null,"unit":"m/s","minimum":0,"maximum":150,"doc":"Highest wind speed of the station's interval."},{"name":"wind_direction","type":["null","double"],"default":null,"unit":"deg","minimum":0,"maximum":360,"doc":"Direction that the wind comes from, clockwise from north."},{"name":"rainfall","type":["null","double"],"default":null,"unit":"mm","minimum":0,"maximum":10000000,"doc":"Counter of precipitation, as height of water. It rises; a fall is a reset."},{"name":"irradiance","type":["null","double"],"default":null,"unit":"W/m2","minimum":0,"maximum":5000,"doc":"Power of sunlight on a horizontal surface; global radiation."}]}},"doc":"Samples in the frame's order."}]}),
}

/** The quantities of schemas/readings.avsc, in its order. */
export const standardQuantities = [
  {"name":"temperature","unit":"Cel","minimum":-60,"maximum":200,"doc":"Temperature at the sensor."},
  {"name":"humidity","unit":"%","minimum":0,"maximum":100,"doc":"Relative humidity."},
  {"name":"weight","unit":"kg","minimum":-5,"maximum":1000,"doc":"Weight on the scale; a little below zero when it drifts."},
  {"name":"battery_voltage","unit":"V","minimum":0,"maximum":60,"doc":"Voltage of the device's battery."},
  {"name":"battery_level","unit":"%","minimum":0,"maximum":100,"doc":"Remaining charge of the device's battery."},
  {"name":"sound_level","unit":"dB","minimum":0,"maximum":160,"doc":"Sound pressure level, referred to 20 micropascals."},
  {"name":"pressure","unit":"hPa","minimum":0,"maximum":20000,"doc":"Absolute pressure."},
  {"name":"vibration","unit":"mm/s","minimum":0,"maximum":1000,"doc":"Vibration velocity, root mean square."},
  {"name":"power","unit":"W","minimum":-10000000,"maximum":10000000,"doc":"Active power; negative when fed back."},
  {"name":"electric_current","unit":"A","minimum":-10000,"maximum":10000,"doc":"Electric current, root mean square for alternating current."},
  {"name":"rotational_speed","unit":"/min","minimum":0,"maximum":200000,"doc":"Revolutions a minute."},
  {"name":"carbon_dioxide","unit":"[ppm]","minimum":0,"maximum":100000,"doc":"Volume fraction of carbon dioxide in air."},
  {"name":"illuminance","unit":"lx","minimum":0,"maximum":200000,"doc":"Illuminance."},
  {"name":"latitude","unit":"deg","minimum":-90,"maximum":90,"doc":"Latitude, WGS 84."},
  {"name":"longitude","unit":"deg","minimum":-180,"maximum":180,"doc":"Longitude, WGS 84."},
  {"name":"signal_strength","unit":"dB[mW]","minimum":-200,"maximum":50,"doc":"Received signal strength of the device's radio."},
  {"name":"energy","unit":"kW.h","minimum":0,"maximum":1000000000,"doc":"Counter of active energy taken from the mains or, on a generator, produced. It rises; a fall is a reset or another meter, not a negative consumption."},
  {"name":"energy_exported","unit":"kW.h","minimum":0,"maximum":1000000000,"doc":"Counter of active energy fed back, on meters that count both directions. It rises; a fall is a reset or another meter."},
  {"name":"voltage","unit":"V","minimum":-10000,"maximum":1000000,"doc":"Voltage of the mains or of a supply, root mean square for alternating current. The device's own battery has battery_voltage."},
  {"name":"frequency","unit":"Hz","minimum":0,"maximum":10000,"doc":"Frequency of the alternating current."},
  {"name":"power_factor","unit":"1","minimum":-1,"maximum":1,"doc":"Active power through apparent power; negative when fed back."},
  {"name":"apparent_power","unit":"V.A","minimum":-10000000,"maximum":10000000,"doc":"Apparent power; negative on meters that give it the sign of the active power."},
  {"name":"reactive_power","unit":"V.A","minimum":-10000000,"maximum":10000000,"doc":"Reactive power in var, for which UCUM has the code V.A; positive if inductive."},
  {"name":"volume","unit":"m3","minimum":0,"maximum":1000000000,"doc":"Counter of water, gas or another fluid that has passed. It rises; a fall is a reset or another meter."},
  {"name":"volume_flow","unit":"m3/h","minimum":-1000000,"maximum":1000000,"doc":"Volume of a fluid that passes in an hour; negative backwards."},
  {"name":"distance","unit":"m","minimum":0,"maximum":100000,"doc":"Distance from the sensor to what it looks at, such as the surface in a tank."},
  {"name":"altitude","unit":"m","minimum":-500,"maximum":100000,"doc":"Height above mean sea level or, if the receiver gives that, above the ellipsoid of WGS 84."},
  {"name":"speed","unit":"km/h","minimum":0,"maximum":2000,"doc":"Speed over ground. In km/h, as trackers send it: metres a second become exact decimals of it, but 50 km/h would be no decimal of metres a second."},
  {"name":"position_accuracy","unit":"m","minimum":0,"maximum":10000000,"doc":"Radius around latitude and longitude in which the device believes itself."},
  {"name":"signal_to_noise","unit":"dB","minimum":-100,"maximum":100,"doc":"Signal-to-noise ratio of the device's radio, as the receiver measured it."},
  {"name":"soil_moisture","unit":"%","minimum":0,"maximum":100,"doc":"Volume fraction of water in soil."},
  {"name":"pm2_5","unit":"ug/m3","minimum":0,"maximum":100000,"doc":"Mass of particles of up to 2.5 micrometres in air."},
  {"name":"pm10","unit":"ug/m3","minimum":0,"maximum":100000,"doc":"Mass of particles of up to 10 micrometres in air."},
  {"name":"wind_speed","unit":"m/s","minimum":0,"maximum":150,"doc":"Wind speed, the mean of the station's interval."},
  {"name":"wind_gust","unit":"m/s","minimum":0,"maximum":150,"doc":"Highest wind speed of the station's interval."},
  {"name":"wind_direction","unit":"deg","minimum":0,"maximum":360,"doc":"Direction that the wind comes from, clockwise from north."},
  {"name":"rainfall","unit":"mm","minimum":0,"maximum":10000000,"doc":"Counter of precipitation, as height of water. It rises; a fall is a reset."},
  {"name":"irradiance","unit":"W/m2","minimum":0,"maximum":5000,"doc":"Power of sunlight on a horizontal surface; global radiation."},
] as const

/**
 * The quantities, in the order of the schema, of table readings, and of every array indexed by
 * quantity: the standard ones, then those that the deployment declared before this was loaded
 * (schemas/own-quantities.ts).
 */
export const quantities: readonly Quantity[] = [...standardQuantities, ...ownQuantities()]

/** The columns of table readings before the quantities, in the order of the table and of COPY. */
export const leadingColumns = ["device_id","ts","time_estimated","account_id","site_id"] as const

/** One sample, with the head of its record. */
export interface Reading extends Pick<Readings, 'device_id' | 'firmware' | 'boot' | 'seq'>, Sample {}

/** The samples of a record as columns: see ReadingsReader. */
interface Columns {
  readonly deviceId: string
  readonly firmware: string
  readonly boot: number
  readonly seq: number
  readonly ts: Float64Array
  readonly timeEstimated: Uint8Array
  readonly account: Float64Array
  readonly site: Float64Array
  readonly values: readonly (Float64Array | undefined)[]
}

/**
 * A sample of these columns, as an object of its own. It also has the deployment's quantities, by
 * name.
 */
export function readingOf(columns: Columns, sample: number): Reading {
  const { values } = columns
  const reading: Reading = {
    device_id: columns.deviceId,
    firmware: columns.firmware,
    boot: columns.boot,
    seq: columns.seq,
    ts: columns.ts[sample] as number,
    time_estimated: columns.timeEstimated[sample] === 1,
    account_id: id(columns.account[sample] as number),
    site_id: id(columns.site[sample] as number),
    temperature: value(values[0], sample),
    humidity: value(values[1], sample),
    weight: value(values[2], sample),
    battery_voltage: value(values[3], sample),
    battery_level: value(values[4], sample),
    sound_level: value(values[5], sample),
    pressure: value(values[6], sample),
    vibration: value(values[7], sample),
    power: value(values[8], sample),
    electric_current: value(values[9], sample),
    rotational_speed: value(values[10], sample),
    carbon_dioxide: value(values[11], sample),
    illuminance: value(values[12], sample),
    latitude: value(values[13], sample),
    longitude: value(values[14], sample),
    signal_strength: value(values[15], sample),
    energy: value(values[16], sample),
    energy_exported: value(values[17], sample),
    voltage: value(values[18], sample),
    frequency: value(values[19], sample),
    power_factor: value(values[20], sample),
    apparent_power: value(values[21], sample),
    reactive_power: value(values[22], sample),
    volume: value(values[23], sample),
    volume_flow: value(values[24], sample),
    distance: value(values[25], sample),
    altitude: value(values[26], sample),
    speed: value(values[27], sample),
    position_accuracy: value(values[28], sample),
    signal_to_noise: value(values[29], sample),
    soil_moisture: value(values[30], sample),
    pm2_5: value(values[31], sample),
    pm10: value(values[32], sample),
    wind_speed: value(values[33], sample),
    wind_gust: value(values[34], sample),
    wind_direction: value(values[35], sample),
    rainfall: value(values[36], sample),
    irradiance: value(values[37], sample),
  }
  for (let index = standardQuantities.length; index < quantities.length; index++)
    (reading as unknown as Record<string, number | null>)[(quantities[index] as Quantity).name] = value(values[index], sample)
  return reading
}

function id(column: number): number | null {
  return column < 0 ? null : column
}

function value(column: Float64Array | undefined, sample: number): number | null {
  const found = column === undefined ? Number.NaN : (column[sample] as number)
  return Number.isNaN(found) ? null : found
}
