/* Readings that one frame of 280 bytes holds, against the encodings that devices use otherwise, on the same samples. */
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "csv.h"
#include "millrace/frame.h"
#include "model.h"

#define SAMPLES 100000

static struct sample {
  int64_t time_ms;
  int32_t values[MILLRACE_MAX_METRICS];
} samples[SAMPLES];
static uint32_t sample_count;

/* Encodings by size: what the first sample of a payload costs besides itself, and what each sample costs. */
struct encoding {
  const char *name;
  double (*sample)(const struct firmware *firmware, const struct sample *sample, int64_t base_ms);
  double fixed;
};

static double value_of(const struct millrace_metric *metric, int32_t raw) {
  for (uint16_t i = 0; i < metric->code_count; i++)
    if (metric->codes[i].code == raw) return atof(metric->codes[i].value);
  return ((double)raw * (double)metric->numerator + (double)metric->addend) / (double)metric->denominator;
}

/* {"ts":"2026-11-23T04:00:00.250Z","temperature":26.25,...} in an array: what the bridge takes from other devices. */
static double json(const struct firmware *firmware, const struct sample *sample, int64_t base_ms) {
  char text[64];
  double length = strlen("{\"ts\":\"2026-11-23T04:00:00.250Z\"},");
  (void)base_ms;
  for (int m = 0; m < firmware->schema->metric_count; m++)
    length += snprintf(text, sizeof text, ",\"%s\":%.9g", firmware->metrics[m].standard, value_of(&firmware->metrics[m], sample->values[m]));
  return length;
}

static double cbor_unsigned(uint64_t value) { return value < 24 ? 1 : value < 256 ? 2 : value < 65536 ? 3 : value < 4294967296 ? 5 : 9; }

/* A number as CBOR: an integer where it is one, else a single-precision float. */
static double cbor_number(double value) {
  double magnitude = value < 0 ? -value - 1 : value;
  return value == (double)(int64_t)value ? cbor_unsigned((uint64_t)magnitude) : 5;
}

/* RFC 8428, section 6: each reading is a map of name (label 0), time since the base (6) and value (2). */
static double senml_cbor(const struct firmware *firmware, const struct sample *sample, int64_t base_ms) {
  double length = 0;
  for (int m = 0; m < firmware->schema->metric_count; m++) {
    length += 1 + 1 + 1 + (double)strlen(firmware->metrics[m].standard) + 1 + cbor_number(value_of(&firmware->metrics[m], sample->values[m]));
    if (sample->time_ms != base_ms) length += 1 + cbor_number((double)(sample->time_ms - base_ms) / 1000);
  }
  return length;
}

/* A packed C structure: four bytes of time, and of each metric what its missing code takes. */
static double fixed_layout(const struct firmware *firmware, const struct sample *sample, int64_t base_ms) {
  double length = 4;
  (void)sample, (void)base_ms;
  for (int m = 0; m < firmware->schema->metric_count; m++) {
    int32_t missing = firmware->metrics[m].missing;
    length += missing == INT32_MIN ? 4 : missing == -32768 ? 2 : 1;
  }
  return length;
}

static const struct encoding encodings[] = {
    {"JSON", json, 1},
    {"SenML-CBOR", senml_cbor, 2 + 1 + 9 + 1 + 12}, /* array, base time, a base name of 12 bytes */
    {"fixed layout", fixed_layout, 12},             /* identity, sequence and time */
};

/* Readings in each full payload of 280 bytes, on average. */
static double other(const struct encoding *encoding, const struct firmware *firmware) {
  uint32_t payloads = 0, in_full = 0, held = 0;
  double length = 0;
  int64_t base = 0;
  for (uint32_t s = 0; s < sample_count; s++) {
    if (held == 0) base = samples[s].time_ms;
    double more = encoding->sample(firmware, &samples[s], base);
    if (held > 0 && length + more > 280) {
      payloads++;
      in_full += held;
      held = 0;
      base = samples[s].time_ms;
      more = encoding->sample(firmware, &samples[s], base);
    }
    length = held == 0 ? encoding->fixed + more : length + more;
    held++;
  }
  return payloads == 0 ? 0 : (double)in_full * firmware->schema->metric_count / payloads;
}

static double millrace(const struct firmware *firmware) {
  static uint8_t rows[MILLRACE_MAX_PAYLOAD];
  struct millrace_frame frame;
  uint32_t frames = 0, in_full = 0;
  struct millrace_frame_start start = {100, 0, MILLRACE_SYNCED, samples[0].time_ms, 0};
  (void)millrace_frame_init(&frame, firmware->schema, rows, MILLRACE_MAX_PAYLOAD);
  (void)millrace_frame_open(&frame, &start);
  for (uint32_t s = 0; s < sample_count; s++) {
    if (millrace_frame_append(&frame, samples[s].time_ms, samples[s].values) == MILLRACE_OK) continue;
    frames++;
    in_full += frame.samples;
    start.seq++;
    start.base = samples[s].time_ms;
    (void)millrace_frame_open(&frame, &start);
    (void)millrace_frame_append(&frame, samples[s].time_ms, samples[s].values);
  }
  return frames == 0 ? 0 : (double)in_full * firmware->schema->metric_count / frames;
}

static double print_row(const char *label, const struct firmware *firmware) {
  double readings = millrace(firmware);
  printf("%-44s %8.1f", label, readings);
  for (unsigned e = 0; e < sizeof encodings / sizeof encodings[0]; e++) printf(" %12.1f", other(&encodings[e], firmware));
  printf("\n");
  return readings;
}

static double synthetic(const char *name, double hz) {
  const struct firmware *firmware = firmware_find(name);
  struct model model;
  char label[80];
  (void)model_init(&model, firmware->schema, 1, 1);
  for (sample_count = 0; sample_count < SAMPLES; sample_count++) {
    samples[sample_count].time_ms = 1795416369998 + (int64_t)(sample_count * 1000.0 / hz);
    model_sample(&model, samples[sample_count].time_ms, samples[sample_count].values);
  }
  snprintf(label, sizeof label, "%s, %d quantities, synthetic, %g Hz", name, firmware->schema->metric_count, hz);
  return print_row(label, firmware);
}

/* The samples of a file, device by device as they come. */
static void real(const char *path) {
  static struct csv csv;
  struct csv_row row;
  const struct firmware *firmware = firmware_find("hive-1");
  char label[80];
  int input = open(path, O_RDONLY);
  if (input < 0 || !csv_open(&csv, input, firmware, true)) {
    perror(path);
    exit(1);
  }
  sample_count = 0;
  while (sample_count < SAMPLES && csv_next(&csv, &row) == CSV_ROW) {
    samples[sample_count].time_ms = row.time_ms;
    memcpy(samples[sample_count++].values, row.values, sizeof row.values);
  }
  snprintf(label, sizeof label, "hive-1, 2 quantities, %.30s", basename(path));
  print_row(label, firmware);
}

int main(int argc, char **argv) {
  double least = 1e9;
  printf("readings in 280 bytes                          Millrace         JSON   SenML-CBOR fixed layout\n");
  const double found[] = {synthetic("hive-2", 1), synthetic("hive-2", 1.0 / 60), synthetic("plant-1", 20), synthetic("plant-1", 1)};
  for (unsigned i = 0; i < sizeof found / sizeof found[0]; i++)
    if (found[i] < least) least = found[i];
  for (int i = 1; i < argc; i++) real(argv[i]);
  if (least >= 140) return 0;
  printf("fewer than 140 readings a frame\n");
  return 1;
}
