/* Generated from schemas/firmware/hive-3.avsc by make generate. Do not edit. */
#ifndef MILLRACE_GENERATED_HIVE_3_H
#define MILLRACE_GENERATED_HIVE_3_H

#include "millrace/schema.h"
#include "millrace/status.h"

#define HIVE_3_METRICS 6

MILLRACE_STATIC_ASSERT(hive_3_metrics_fit, HIVE_3_METRICS <= MILLRACE_MAX_METRICS);

/* Place of each metric in a row of raw values. */
enum hive_3_metric {
  HIVE_3_TEMPERATURE = 0,
  HIVE_3_WEIGHT = 1,
  HIVE_3_BATTERY = 2,
  HIVE_3_LATITUDE = 3,
  HIVE_3_LONGITUDE = 4,
  HIVE_3_ACCURACY = 5
};

/* One sample in raw values. A field that is not measured holds its missing code. */
struct hive_3_sample {
  int32_t temperature; /* temperature = raw * 0.01 */
  int32_t weight; /* weight = raw * 0.01 */
  int32_t battery; /* battery_voltage = raw * 0.01 */
  int32_t latitude; /* latitude = raw * 0.000001 */
  int32_t longitude; /* longitude = raw * 0.000001 */
  int32_t accuracy; /* position_accuracy = raw * 1 */
};

/* A sample without any reading: start from it and fill in what was measured. */
#define HIVE_3_NO_READINGS {-32768, INT32_MIN, -1, INT32_MIN, INT32_MIN, -1}

static const int32_t hive_3_missing[HIVE_3_METRICS] = HIVE_3_NO_READINGS;

static const struct millrace_schema hive_3_schema = {
    "hive-3",
    {0x69, 0x91, 0x68, 0xCA, 0x51, 0xE1, 0x0C, 0x53},
    HIVE_3_METRICS,
    hive_3_missing,
};

/* Conversion of each metric, for programs on a host. */
static const struct millrace_metric hive_3_metrics[HIVE_3_METRICS] = {
    {"temperature", "temperature", 1, 0, 100, -32768, 0, 0},
    {"weight", "weight", 1, 0, 100, INT32_MIN, 0, 0},
    {"battery", "battery_voltage", 1, 0, 100, -1, 0, 0},
    {"latitude", "latitude", 1, 0, 1000000, INT32_MIN, 0, 0},
    {"longitude", "longitude", 1, 0, 1000000, INT32_MIN, 0, 0},
    {"accuracy", "position_accuracy", 1, 0, 1, -1, 0, 0},
};

/* Turns a sample into a row of raw values in the schema's order.
 * OK; BAD_VALUE when a coded metric holds a code that the schema does not list. */
static inline enum millrace_status hive_3_row(const struct hive_3_sample *sample, int32_t row[HIVE_3_METRICS]) {
  row[HIVE_3_TEMPERATURE] = sample->temperature;
  row[HIVE_3_WEIGHT] = sample->weight;
  row[HIVE_3_BATTERY] = sample->battery;
  row[HIVE_3_LATITUDE] = sample->latitude;
  row[HIVE_3_LONGITUDE] = sample->longitude;
  row[HIVE_3_ACCURACY] = sample->accuracy;
  return MILLRACE_OK;
}

#endif
