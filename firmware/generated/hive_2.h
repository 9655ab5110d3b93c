/* Generated from schemas/firmware/hive-2.avsc by make generate. Do not edit. */
#ifndef MILLRACE_GENERATED_HIVE_2_H
#define MILLRACE_GENERATED_HIVE_2_H

#include "millrace/schema.h"
#include "millrace/status.h"

#define HIVE_2_METRICS 5

MILLRACE_STATIC_ASSERT(hive_2_metrics_fit, HIVE_2_METRICS <= MILLRACE_MAX_METRICS);

/* Place of each metric in a row of raw values. */
enum hive_2_metric {
  HIVE_2_TEMP16 = 0,
  HIVE_2_RH = 1,
  HIVE_2_WEIGHT = 2,
  HIVE_2_SOUND = 3,
  HIVE_2_CHARGE = 4
};

/* Codes of charge and the standard values they stand for. */
static const struct millrace_code hive_2_charge_codes[5] = {
    {0, "0"},
    {1, "25"},
    {2, "50"},
    {3, "75"},
    {4, "100"},
};

/* One sample in raw values. A field that is not measured holds its missing code. */
struct hive_2_sample {
  int32_t temp16; /* temperature = raw * 0.0625 - 40 */
  int32_t rh; /* humidity = raw * 0.5 */
  int32_t weight; /* weight = raw * 0.005 */
  int32_t sound; /* sound_level = raw * 0.1 */
  int32_t charge; /* battery_level: a code */
};

/* A sample without any reading: start from it and fill in what was measured. */
#define HIVE_2_NO_READINGS {-32768, 255, INT32_MIN, -32768, -1}

static const int32_t hive_2_missing[HIVE_2_METRICS] = HIVE_2_NO_READINGS;

static const struct millrace_schema hive_2_schema = {
    "hive-2",
    {0xBE, 0x1B, 0xBD, 0x31, 0x13, 0xA4, 0xAA, 0x9D},
    HIVE_2_METRICS,
    hive_2_missing,
};

/* Conversion of each metric, for programs on a host. */
static const struct millrace_metric hive_2_metrics[HIVE_2_METRICS] = {
    {"temp16", "temperature", 625, -400000, 10000, -32768, 0, 0},
    {"rh", "humidity", 5, 0, 10, 255, 0, 0},
    {"weight", "weight", 5, 0, 1000, INT32_MIN, 0, 0},
    {"sound", "sound_level", 1, 0, 10, -32768, 0, 0},
    {"charge", "battery_level", 1, 0, 1, -1, 5, hive_2_charge_codes},
};

/* Turns a sample into a row of raw values in the schema's order.
 * OK; BAD_VALUE when a coded metric holds a code that the schema does not list. */
static inline enum millrace_status hive_2_row(const struct hive_2_sample *sample, int32_t row[HIVE_2_METRICS]) {
  switch (sample->charge) {
    case 0:
    case 1:
    case 2:
    case 3:
    case 4:
    case -1:
      break;
    default:
      return MILLRACE_BAD_VALUE;
  }
  row[HIVE_2_TEMP16] = sample->temp16;
  row[HIVE_2_RH] = sample->rh;
  row[HIVE_2_WEIGHT] = sample->weight;
  row[HIVE_2_SOUND] = sample->sound;
  row[HIVE_2_CHARGE] = sample->charge;
  return MILLRACE_OK;
}

#endif
