#include "firmware.h"

#include <string.h>

#include "hive_1.h"
#include "hive_2.h"
#include "plant_1.h"

static const struct firmware firmwares[] = {
    {&hive_1_schema, hive_1_metrics}, {&hive_2_schema, hive_2_metrics}, {&plant_1_schema, plant_1_metrics}};

const char firmware_names[] = "hive-1, hive-2 or plant-1";

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
