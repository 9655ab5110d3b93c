/* Synthetic data that changes as real sensors do: a daily course, a slow random walk around it, integers only. */
#ifndef FLEET_MODEL_H
#define FLEET_MODEL_H

#include <stdbool.h>
#include <stdint.h>

#include "millrace/schema.h"

/* State of one device. The same seed and times give the same values. */
struct model {
  const struct course *courses;
  uint8_t metric_count;
  uint64_t random;
  int32_t bias_percent;
  int32_t deviation[MILLRACE_MAX_METRICS];
};

/* Whether there is a model of this firmware. */
bool model_exists(const struct millrace_schema *schema);

/* 0; -1: there is no model of this firmware. */
int model_init(struct model *model, const struct millrace_schema *schema, uint32_t seed, uint32_t device);

/* Raw values of all metrics at a time of day. */
void model_sample(struct model *model, int64_t time_ms, int32_t *values);

#endif
