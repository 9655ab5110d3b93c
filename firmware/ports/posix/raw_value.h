/* Standard values in decimal text to a firmware's raw values, in exact arithmetic. */
#ifndef FLEET_RAW_VALUE_H
#define FLEET_RAW_VALUE_H

#include <stdbool.h>
#include <stdint.h>

#include "millrace/schema.h"

enum raw_value {
  RAW_VALUE_OK,
  RAW_VALUE_NOT_A_NUMBER, /* or more digits than can be held exactly */
  RAW_VALUE_INEXACT,      /* no raw value stands for it */
  RAW_VALUE_OUT_OF_RANGE  /* beyond an int, or the code for no reading */
};

/* 26.24 at a scale of 0.01 is 2624. With round, the nearest raw value, halves away from zero, takes the place of
 * RAW_VALUE_INEXACT; a coded metric takes its own values only. */
enum raw_value raw_value_parse(const char *text, const struct millrace_metric *metric, bool round, int32_t *raw);

#endif
