/* Generated from schemas/firmware/hive-1.avsc by make generate. Do not edit. */
#ifndef MILLRACE_GENERATED_HIVE_1_H
#define MILLRACE_GENERATED_HIVE_1_H

#include "millrace/schema.h"
#include "millrace/status.h"

#define HIVE_1_METRICS 2

MILLRACE_STATIC_ASSERT(hive_1_metrics_fit, HIVE_1_METRICS <= MILLRACE_MAX_METRICS);

/* Place of each metric in a row of raw values. */
enum hive_1_metric {
  HIVE_1_TEMPERATURE = 0,
  HIVE_1_HUMIDITY = 1
};

/* One sample in raw values. A field that is not measured holds its missing code. */
struct hive_1_sample {
  int32_t temperature; /* temperature = raw * 0.01 */
  int32_t humidity; /* humidity = raw * 0.01 */
};

/* A sample without any reading: start from it and fill in what was measured. */
#define HIVE_1_NO_READINGS {-32768, -32768}

static const int32_t hive_1_missing[HIVE_1_METRICS] = HIVE_1_NO_READINGS;

static const struct millrace_schema hive_1_schema = {
    "hive-1",
    {0xE4, 0x4D, 0x4B, 0x71, 0x14, 0xE1, 0xE2, 0xA2},
    HIVE_1_METRICS,
    hive_1_missing,
};

/* Conversion of each metric, for programs on a host. */
static const struct millrace_metric hive_1_metrics[HIVE_1_METRICS] = {
    {"temperature", "temperature", 1, 0, 100, -32768, 0, 0},
    {"humidity", "humidity", 1, 0, 100, -32768, 0, 0},
};

/* Turns a sample into a row of raw values in the schema's order.
 * OK; BAD_VALUE when a coded metric holds a code that the schema does not list. */
static inline enum millrace_status hive_1_row(const struct hive_1_sample *sample, int32_t row[HIVE_1_METRICS]) {
  row[HIVE_1_TEMPERATURE] = sample->temperature;
  row[HIVE_1_HUMIDITY] = sample->humidity;
  return MILLRACE_OK;
}

#endif
