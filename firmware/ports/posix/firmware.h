/* The firmwares that programs on a host can be: every generated header. */
#ifndef MILLRACE_POSIX_FIRMWARE_H
#define MILLRACE_POSIX_FIRMWARE_H

#include "millrace/schema.h"

struct firmware {
  const struct millrace_schema *schema;
  const struct millrace_metric *metrics;
};

/* The firmware of this name; NULL: there is none. */
const struct firmware *firmware_find(const char *name);

/* Their names, for messages: "hive-1, hive-2, hive-3 or plant-1". */
extern const char firmware_names[];

/* The metric that measures a standard quantity; -1: none. */
int firmware_metric(const struct firmware *firmware, const char *quantity);

#endif
