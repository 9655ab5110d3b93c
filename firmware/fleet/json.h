/* Samples as plain JSON: what devices with another firmware than ours send. */
#ifndef FLEET_JSON_H
#define FLEET_JSON_H

#include <stddef.h>
#include <stdint.h>

#include "firmware.h"

/* Most bytes of a sample, whatever its firmware. */
#define JSON_MAX 4096

/* Writes {"ts":"2026-11-23T04:00:00.123Z","temperature":34.25,"humidity":null}: the quantities by their standard names, the
 * values as the exact decimals that the firmware holds (at most 12 after the point), null if there is no reading. Without a
 * NUL at the end. The time is of the years 1 to 9999. The number of bytes: at most json_longest, which `out` must have. */
uint16_t json_write(const struct firmware *firmware, int64_t time_ms, const int32_t *values, char *out);

/* Most bytes that json_write takes for a sample of this firmware. */
size_t json_longest(const struct firmware *firmware);

#endif
