/* What the library knows of a firmware's Avro schema. Instances are generated: see firmware/generated. */
#ifndef MILLRACE_SCHEMA_H
#define MILLRACE_SCHEMA_H

#include <stdint.h>

#include "millrace/config.h"

#define MILLRACE_FINGERPRINT_LENGTH 8

struct millrace_schema {
  const char *firmware;                             /* model and version, as in "hive-1" */
  uint8_t fingerprint[MILLRACE_FINGERPRINT_LENGTH]; /* CRC-64-AVRO of the canonical form, in the order it is sent */
  uint8_t metric_count;
  const int32_t *missing; /* per metric, the raw value that means no reading */
};

/* A raw code and the standard value it stands for, in decimal. */
struct millrace_code {
  int32_t code;
  const char *value;
};

/* How a metric is converted: standard value = (raw * numerator + addend) / denominator. For programs that convert; a
 * device works in raw values and does not link these. */
struct millrace_metric {
  const char *name;     /* the field in the firmware's schema */
  const char *standard; /* the standard quantity it measures */
  int64_t numerator;
  int64_t addend;
  int64_t denominator;
  int32_t missing;
  uint16_t code_count; /* 0: not a coded metric */
  const struct millrace_code *codes;
};

#endif
