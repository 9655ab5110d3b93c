/* Standard values in decimal text to a firmware's raw values, in exact arithmetic. */
#ifndef MILLRACE_POSIX_RAW_VALUE_H
#define MILLRACE_POSIX_RAW_VALUE_H

#include <stdbool.h>
#include <stddef.h>
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

/* The standard value of a raw value in decimal text: what raw_value_parse reads back, when that has at most 18 digits. A code
 * that the metric does not list has none: the text is empty then. */
void raw_value_text(int32_t raw, const struct millrace_metric *metric, char *text, size_t size);

/* What the metric can hold, in words: "2 decimals, from -21474836.48 to 21474836.47". */
void raw_value_holds(const struct millrace_metric *metric, char *text, size_t size);

#endif
