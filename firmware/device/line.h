/* Lines of readings: quantity=value[,quantity=value...] [time] */
#ifndef DEVICE_LINE_H
#define DEVICE_LINE_H

#include <stdbool.h>
#include <stdint.h>

#include "firmware.h"

struct line {
  int32_t values[MILLRACE_MAX_METRICS];
  bool timed;
  int64_t time_ms;
};

/* Reads a line in place. NULL: it is good; else what is wrong with it and what was expected. */
const char *line_parse(char *text, const struct firmware *firmware, struct line *line);

#endif
