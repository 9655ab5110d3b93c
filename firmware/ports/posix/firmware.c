#include "firmware.h"

#include <string.h>

#include "firmwares.h"

#define FIRMWARE(name) {&name##_schema, name##_metrics},
static const struct firmware firmwares[] = {MILLRACE_FIRMWARES(FIRMWARE)};

const char firmware_names[] = MILLRACE_FIRMWARE_NAMES;

const struct firmware *firmware_find(const char *name) {
  for (unsigned i = 0; i < sizeof firmwares / sizeof firmwares[0]; i++)
    if (strcmp(firmwares[i].schema->firmware, name) == 0) return &firmwares[i];
  return NULL;
}

int firmware_metric(const struct firmware *firmware, const char *quantity) {
  for (int m = 0; m < firmware->schema->metric_count; m++)
    if (strcmp(firmware->metrics[m].standard, quantity) == 0) return m;
  return -1;
}
