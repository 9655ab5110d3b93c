/* Generated from schemas/firmware/plant-1.avsc by make generate. Do not edit. */
#ifndef MILLRACE_GENERATED_PLANT_1_H
#define MILLRACE_GENERATED_PLANT_1_H

#include "millrace/schema.h"
#include "millrace/status.h"

#define PLANT_1_METRICS 5

MILLRACE_STATIC_ASSERT(plant_1_metrics_fit, PLANT_1_METRICS <= MILLRACE_MAX_METRICS);

/* Place of each metric in a row of raw values. */
enum plant_1_metric {
  PLANT_1_TEMPERATURE = 0,
  PLANT_1_VIBRATION = 1,
  PLANT_1_POWER = 2,
  PLANT_1_PRESSURE = 3,
  PLANT_1_SPEED = 4
};

/* One sample in raw values. A field that is not measured holds its missing code. */
struct plant_1_sample {
  int32_t temperature; /* temperature = raw * 0.01 */
  int32_t vibration; /* vibration = raw * 0.001 */
  int32_t power; /* power = raw * 0.1 */
  int32_t pressure; /* pressure = raw * 0.1 */
  int32_t speed; /* rotational_speed = raw * 0.25 */
};

/* A sample without any reading: start from it and fill in what was measured. */
#define PLANT_1_NO_READINGS {-32768, INT32_MIN, INT32_MIN, INT32_MIN, INT32_MIN}

static const int32_t plant_1_missing[PLANT_1_METRICS] = PLANT_1_NO_READINGS;

static const struct millrace_schema plant_1_schema = {
    "plant-1",
    {0xAA, 0x37, 0xB6, 0x4E, 0x40, 0x8A, 0xE7, 0x9F},
    PLANT_1_METRICS,
    plant_1_missing,
};

/* Conversion of each metric, for programs on a host. */
static const struct millrace_metric plant_1_metrics[PLANT_1_METRICS] = {
    {"temperature", "temperature", 1, 0, 100, -32768, 0, 0},
    {"vibration", "vibration", 1, 0, 1000, INT32_MIN, 0, 0},
    {"power", "power", 1, 0, 10, INT32_MIN, 0, 0},
    {"pressure", "pressure", 1, 0, 10, INT32_MIN, 0, 0},
    {"speed", "rotational_speed", 25, 0, 100, INT32_MIN, 0, 0},
};

/* Turns a sample into a row of raw values in the schema's order.
 * OK; BAD_VALUE when a coded metric holds a code that the schema does not list. */
static inline enum millrace_status plant_1_row(const struct plant_1_sample *sample, int32_t row[PLANT_1_METRICS]) {
  row[PLANT_1_TEMPERATURE] = sample->temperature;
  row[PLANT_1_VIBRATION] = sample->vibration;
  row[PLANT_1_POWER] = sample->power;
  row[PLANT_1_PRESSURE] = sample->pressure;
  row[PLANT_1_SPEED] = sample->speed;
  return MILLRACE_OK;
}

#endif
