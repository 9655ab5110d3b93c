/* Writes the golden vectors: frames made by the encoder, with what a decoder must find in them. See golden/README.md. */
#define _GNU_SOURCE
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "hive_1.h"
#include "hive_2.h"
#include "millrace/frame.h"
#include "plant_1.h"

#define SAMPLES_MAX 300

struct vector {
  const char *name;
  const char *about;
  const struct millrace_schema *schema;
  const struct millrace_metric *metrics;
  struct millrace_frame_start start;
  uint32_t samples;
  int64_t time[SAMPLES_MAX];
  int32_t value[SAMPLES_MAX][MILLRACE_MAX_METRICS];
};

static void add(struct vector *vector, int64_t time, const int32_t *values) {
  vector->time[vector->samples] = time;
  memcpy(vector->value[vector->samples++], values, vector->schema->metric_count * sizeof *values);
}

/* A repeatable walk: the golden files must not depend on the machine. */
static uint32_t walk_state = 1;
static int32_t walk(int32_t most) {
  walk_state = walk_state * 1664525u + 1013904223u;
  return (int32_t)((walk_state >> 16) % (uint32_t)(2 * most + 1)) - most;
}

static void print_numbers(FILE *file, const char *name, const int64_t *numbers, uint32_t count) {
  fprintf(file, "\"%s\": [", name);
  for (uint32_t i = 0; i < count; i++) fprintf(file, "%s%" PRId64, i == 0 ? "" : ", ", numbers[i]);
  fputc(']', file);
}

static void write_vector(const char *directory, const struct vector *vector) {
  static int64_t numbers[SAMPLES_MAX];
  uint8_t rows[4096];
  uint8_t sealed[4096];
  char path[512];
  struct millrace_frame frame;
  uint32_t taken = 0;

  if (millrace_frame_init(&frame, vector->schema, rows, MILLRACE_MAX_PAYLOAD) != MILLRACE_OK) exit(1);
  (void)millrace_frame_open(&frame, &vector->start);
  while (taken < vector->samples && millrace_frame_append(&frame, vector->time[taken], vector->value[taken]) == MILLRACE_OK) taken++;
  uint16_t length = millrace_frame_seal(&frame, sealed);

  snprintf(path, sizeof path, "%s/%s.json", directory, vector->name);
  FILE *file = fopen(path, "w");
  if (file == NULL) {
    perror(path);
    exit(1);
  }
  fprintf(file, "{\n  \"about\": \"%s\",\n  \"firmware\": \"%s\",\n  \"frame\": \"", vector->about, vector->schema->firmware);
  for (uint16_t i = 0; i < length; i++) fprintf(file, "%02x", sealed[i]);
  fprintf(file, "\",\n  \"boot\": %" PRId32 ",\n  \"seq\": %" PRId32 ",\n  \"clock\": \"%s\",\n  \"base\": %" PRId64
          ",\n  \"dropped\": %" PRId32 ",\n  ", vector->start.boot, vector->start.seq,
          vector->start.clock == MILLRACE_SYNCED ? "SYNCED" : "UPTIME", vector->start.base, vector->start.dropped);
  print_numbers(file, "times", vector->time, taken);
  fprintf(file, ",\n  \"columns\": {\n");
  for (uint8_t m = 0; m < vector->schema->metric_count; m++) {
    for (uint32_t s = 0; s < taken; s++) numbers[s] = vector->value[s][m];
    fprintf(file, "    ");
    print_numbers(file, vector->metrics[m].name, numbers, taken);
    fprintf(file, "%s\n", m + 1 < vector->schema->metric_count ? "," : "");
  }
  fprintf(file, "  }\n}\n");
  if (fclose(file) != 0) exit(1);
  printf("%-24s %3" PRIu32 " samples %3d bytes\n", vector->name, taken, length);
}

static struct vector vector;

static void begin(const char *name, const char *about, const struct millrace_schema *schema,
                  const struct millrace_metric *metrics, struct millrace_frame_start start) {
  memset(&vector, 0, sizeof vector);
  vector.name = name;
  vector.about = about;
  vector.schema = schema;
  vector.metrics = metrics;
  vector.start = start;
}

#define MOMENT INT64_C(1795416369998)
#define START(boot, seq, clock, base, dropped) ((struct millrace_frame_start){boot, seq, clock, base, dropped})

int main(int argc, char **argv) {
  const char *to = argc > 1 ? argv[1] : ".";

  begin("hive-1-one-sample", "the smallest frame with a reading", &hive_1_schema, hive_1_metrics, START(1, 0, MILLRACE_SYNCED, MOMENT, 0));
  add(&vector, MOMENT, (int32_t[]){2624, 3545});
  write_vector(to, &vector);

  begin("hive-1-quarter-hours", "negative temperatures, fifteen minutes apart, until 280 bytes are full", &hive_1_schema, hive_1_metrics, START(12, 345, MILLRACE_SYNCED, MOMENT, 0));
  for (int32_t s = 0, t = -150, h = 8000; s < 100; s++) add(&vector, MOMENT + s * INT64_C(900000), (int32_t[]){t += walk(30), h += walk(50)});
  write_vector(to, &vector);

  begin("hive-2-holes", "a metric that never reads, one that begins late, one that is missing now and then", &hive_2_schema, hive_2_metrics, START(7, 1, MILLRACE_SYNCED, MOMENT, 3));
  for (int32_t s = 0; s < 8; s++) add(&vector, MOMENT + s * 1000, (int32_t[]){1056 + s, s % 3 == 1 ? 255 : 110, s < 3 ? INT32_MIN : 9000 + s, -32768, s < 4 ? 4 : 3});
  write_vector(to, &vector);

  begin("plant-1-full", "five metrics at 20 Hz until 280 bytes are full", &plant_1_schema, plant_1_metrics, START(263243368, 41, MILLRACE_SYNCED, MOMENT, 0));
  for (int32_t s = 0, a = 6200, b = 2500, c = 75000, d = 10130, e = 11800; s < 100; s++)
    add(&vector, MOMENT + s * 50, (int32_t[]){a += walk(3), b += walk(40), c += walk(50), d += walk(2), e += walk(6)});
  write_vector(to, &vector);

  begin("plant-1-still", "nothing changes: more than 63 samples, so that the counts take two bytes", &plant_1_schema, plant_1_metrics, START(1, 2, MILLRACE_SYNCED, MOMENT, 0));
  for (int32_t s = 0; s < 100; s++) add(&vector, MOMENT + s, (int32_t[]){-32768, 2500, INT32_MIN, 10130, INT32_MIN});
  write_vector(to, &vector);

  begin("plant-1-uptime", "a device that does not know the time", &plant_1_schema, plant_1_metrics, START(2, 0, MILLRACE_UPTIME, 61234, 0));
  for (int32_t s = 0; s < 5; s++) add(&vector, 61234 + s * 50, (int32_t[]){6200 + s, 2500, 75000, 10130 - s, 11800});
  write_vector(to, &vector);

  begin("plant-1-extremes", "differences that wrap around, the largest numbers, the longest gap", &plant_1_schema, plant_1_metrics, START(INT32_MAX, INT32_MAX - 1, MILLRACE_SYNCED, MOMENT, INT32_MAX));
  add(&vector, MOMENT, (int32_t[]){INT32_MAX, INT32_MIN + 1, 0, -1, INT32_MAX});
  add(&vector, MOMENT, (int32_t[]){INT32_MIN, INT32_MAX, INT32_MIN, 1, INT32_MIN + 1});
  add(&vector, MOMENT + INT32_MAX, (int32_t[]){INT32_MAX, INT32_MIN + 1, INT32_MAX, 0, INT32_MAX});
  write_vector(to, &vector);

  begin("hive-1-before-1970", "a negative base, and two samples of the same millisecond", &hive_1_schema, hive_1_metrics, START(0, 0, MILLRACE_SYNCED, -5000, 0));
  add(&vector, -5000, (int32_t[]){100, 200});
  add(&vector, -5000, (int32_t[]){101, 200});
  write_vector(to, &vector);

  begin("hive-2-nothing-read", "a sample without any reading: every column is empty", &hive_2_schema, hive_2_metrics, START(3, 4, MILLRACE_SYNCED, MOMENT, 0));
  add(&vector, MOMENT, hive_2_missing);
  write_vector(to, &vector);
  return 0;
}
