#include "model.h"

#include <string.h>

#define DAY_MS 86400000

/* How one metric behaves, in raw units. */
struct course {
  int32_t center;
  int32_t daily; /* amplitude of the daily course; its peak is at peak_hour */
  int32_t peak_hour;
  int32_t step;  /* most that a sample differs from the one before */
  int32_t limit; /* most that it strays from the daily course */
  int32_t codes; /* > 0: a code that falls by one every six hours, from codes - 1 to 0 */
};

static const struct course hive_1[] = {
    {2600, 700, 15, 6, 150, 0},  /* temperature: 26 degrees, warmest at three in the afternoon */
    {5500, 1200, 4, 12, 300, 0}, /* humidity: dampest before dawn */
};

static const struct course hive_2[] = {
    {1056, 112, 15, 1, 24, 0},  /* temp16: 26 degrees in sixteenths above -40 */
    {110, 24, 4, 1, 6, 0},      /* rh: 55 % in halves */
    {9000, 120, 20, 2, 200, 0}, /* weight: 45 kg, heaviest when the foragers are home */
    {420, 60, 14, 9, 60, 0},    /* sound: 42 dB */
    {0, 0, 0, 0, 0, 5},         /* charge */
};

static const struct course plant_1[] = {
    {6200, 300, 16, 3, 200, 0},   /* temperature: 62 degrees */
    {2500, 0, 0, 60, 900, 0},     /* vibration: 2.5 mm/s */
    {75000, 6000, 11, 50, 900, 0}, /* power: 7.5 kW */
    {10130, 30, 10, 2, 40, 0},    /* pressure */
    {11800, 40, 12, 6, 80, 0},    /* speed: 2950 rev/min */
};

static const struct {
  const char *firmware;
  const struct course *courses;
  uint8_t count;
} models[] = {{"hive-1", hive_1, 2}, {"hive-2", hive_2, 5}, {"plant-1", plant_1, 5}};

/* One lap of a sine in 65536 steps, as two parabolas: within 6 % of the real one, from -32768 to 32768. */
static int32_t sine(uint32_t phase) {
  int32_t half = (int32_t)(phase & 0x7FFF);
  int32_t height = (half * (0x8000 - half)) >> 13;
  return (phase & 0x8000) != 0 ? -height : height;
}

/* Marsaglia's xorshift64. */
static uint64_t next_random(uint64_t *state) {
  uint64_t x = *state;
  x ^= x << 13;
  x ^= x >> 7;
  x ^= x << 17;
  return *state = x;
}

/* Its place in models; -1: there is none. */
static int model_of(const struct millrace_schema *schema) {
  for (size_t i = 0; i < sizeof models / sizeof models[0]; i++)
    if (strcmp(models[i].firmware, schema->firmware) == 0 && models[i].count == schema->metric_count) return (int)i;
  return -1;
}

bool model_exists(const struct millrace_schema *schema) { return model_of(schema) >= 0; }

int model_init(struct model *model, const struct millrace_schema *schema, uint32_t seed, uint32_t device) {
  int of = model_of(schema);
  memset(model, 0, sizeof *model);
  if (of < 0) return -1;
  model->courses = models[of].courses;
  model->metric_count = models[of].count;
  /* Odd multipliers spread neighbouring seeds and devices over the whole state; it must not be 0. */
  model->random = ((uint64_t)seed * 0x9E3779B97F4A7C15u) ^ ((uint64_t)(device + 1) * 0xD1B54A32D192ED03u);
  if (model->random == 0) model->random = 1;
  for (int warm = 0; warm < 8; warm++) next_random(&model->random);
  model->bias_percent = (int32_t)(next_random(&model->random) % 17) - 8;
  return 0;
}

void model_sample(struct model *model, int64_t time_ms, int32_t *values) {
  uint64_t random = next_random(&model->random);
  uint32_t day = (uint32_t)(time_ms % DAY_MS);

  for (uint8_t m = 0; m < model->metric_count; m++) {
    const struct course *course = &model->courses[m];
    if (course->codes > 0) {
      values[m] = course->codes - 1 - (int32_t)((time_ms / (DAY_MS / 4) + model->bias_percent + 8) % course->codes);
      continue;
    }
    /* 12 bits of the random number for each metric, scaled to -step..step. */
    int32_t step = (int32_t)(((random >> (12 * (m % 5))) & 0xFFF) * (uint32_t)(2 * course->step + 1) >> 12) - course->step;
    int32_t deviation = model->deviation[m] + step;
    if (deviation > course->limit || deviation < -course->limit) deviation = model->deviation[m] - step;
    model->deviation[m] = deviation;
    /* 65536 / 86400000 is 1 / 1318.4; six hours before the peak the sine crosses zero. */
    uint32_t phase = (uint32_t)((uint64_t)day * 65536 / DAY_MS) + (uint32_t)(6 - course->peak_hour) * 65536 / 24;
    int32_t daily = (int32_t)((int64_t)course->daily * sine(phase) / 32768);
    values[m] = course->center + course->center * model->bias_percent / 100 + daily + deviation;
  }
}
