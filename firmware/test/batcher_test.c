#include "millrace/batcher.h"

#include <string.h>

#include "check.h"
#include "decoder.h"
#include "hive_1.h"
#include "suites.h"

/* A sink that keeps what it is given, or refuses. */
#define KEPT_MAX 64
static uint8_t kept[KEPT_MAX][280];
static uint16_t kept_length[KEPT_MAX];
static int kept_count;
static enum millrace_status answer;
static int32_t discards;
static uint32_t now;
static struct millrace_clock clock;
static struct millrace_batcher batcher;
static uint8_t memory[560];
static struct decoded decoded;

static uint32_t read_now(void *context) {
  (void)context;
  return now;
}

static enum millrace_status keep(void *context, const uint8_t *frame, uint16_t length, int32_t *discarded) {
  (void)context;
  *discarded = discards;
  if (answer != MILLRACE_OK) return answer;
  memcpy(kept[kept_count], frame, length);
  kept_length[kept_count++] = length;
  return MILLRACE_OK;
}

static const struct millrace_batcher_config config = {&hive_1_schema, &clock, {keep, NULL}, memory, 280, 1000, 5};

static void begin(void) {
  now = 100;
  kept_count = 0;
  answer = MILLRACE_OK;
  discards = 0;
  millrace_clock_init(&clock, read_now, NULL);
  CHECK_EQUAL(millrace_batcher_init(&batcher, &config), MILLRACE_OK);
}

static void decode(int index) {
  CHECK(index < kept_count);
  CHECK(decode_frame(kept[index], kept_length[index], &hive_1_schema, &decoded));
}

static const int32_t row[] = {2000, 5000};

static void a_frame_is_sealed_when_its_first_sample_is_old_enough(void) {
  begin();
  CHECK_EQUAL(millrace_batcher_due(&batcher), UINT32_MAX);
  CHECK_EQUAL(millrace_batcher_sample(&batcher, row), MILLRACE_OK);
  CHECK_EQUAL(millrace_batcher_due(&batcher), 1000);
  now += 999;
  CHECK_EQUAL(millrace_batcher_poll(&batcher), MILLRACE_OK);
  CHECK_EQUAL(kept_count, 0);
  CHECK_EQUAL(millrace_batcher_due(&batcher), 1);
  now += 1;
  CHECK_EQUAL(millrace_batcher_due(&batcher), 0);
  CHECK_EQUAL(millrace_batcher_poll(&batcher), MILLRACE_OK);
  CHECK_EQUAL(kept_count, 1);
  CHECK_EQUAL(millrace_batcher_poll(&batcher), MILLRACE_OK);
  CHECK_EQUAL(kept_count, 1);
  decode(0);
  CHECK_EQUAL(decoded.boot, 5);
  CHECK_EQUAL(decoded.seq, 0);
  CHECK_EQUAL(decoded.clock, MILLRACE_UPTIME);
  CHECK_EQUAL(decoded.base, 100);
}

static void a_frame_is_sealed_before_a_sample_would_pass_its_size(void) {
  begin();
  int32_t total = 0;
  for (int i = 0; i < 500; i++, now++) {
    int32_t values[] = {(int32_t)random_up_to(5000), (int32_t)random_up_to(9000)};
    CHECK_EQUAL(millrace_batcher_sample(&batcher, values), MILLRACE_OK);
  }
  CHECK_EQUAL(millrace_batcher_flush(&batcher), MILLRACE_OK);
  for (int i = 0; i < kept_count; i++) {
    decode(i);
    CHECK_EQUAL(decoded.seq, i);
    CHECK(kept_length[i] <= 280);
    if (i + 1 < kept_count) CHECK(kept_length[i] > 260);
    total += (int32_t)decoded.samples;
  }
  CHECK_EQUAL(total, 500);
}

static void sensors_with_different_rates_share_samples(void) {
  begin();
  for (int ms = 0; ms < 100; ms += 10, now += 10) {
    CHECK_EQUAL(millrace_batcher_reading(&batcher, HIVE_1_TEMPERATURE, 2000 + ms), MILLRACE_OK);
    if (ms % 50 == 0) CHECK_EQUAL(millrace_batcher_reading(&batcher, HIVE_1_HUMIDITY, 5000 + ms), MILLRACE_OK);
    CHECK_EQUAL(millrace_batcher_due(&batcher), 1);
  }
  CHECK_EQUAL(millrace_batcher_flush(&batcher), MILLRACE_OK);
  decode(0);
  CHECK_EQUAL(decoded.samples, 10);
  CHECK_EQUAL(decoded.value[0][9], 2090);
  CHECK_EQUAL(decoded.value[1][5], 5050);
  CHECK_EQUAL(decoded.value[1][6], -32768);
}

static void a_moment_ends_when_the_clock_moves_on(void) {
  begin();
  CHECK_EQUAL(millrace_batcher_reading(&batcher, 0, 1), MILLRACE_OK);
  CHECK_EQUAL(millrace_batcher_poll(&batcher), MILLRACE_OK);
  CHECK(batcher.moment_open);
  now++;
  CHECK_EQUAL(millrace_batcher_poll(&batcher), MILLRACE_OK);
  CHECK(!batcher.moment_open);
  CHECK_EQUAL(batcher.frame.samples, 1);
}

static void a_second_value_for_a_moment_is_refused(void) {
  begin();
  CHECK_EQUAL(millrace_batcher_reading(&batcher, 0, 1), MILLRACE_OK);
  CHECK_EQUAL(millrace_batcher_reading(&batcher, 0, 2), MILLRACE_REPEAT);
  CHECK_EQUAL(millrace_batcher_reading(&batcher, 2, 2), MILLRACE_BAD_ARGUMENT);
  CHECK_EQUAL(millrace_batcher_sample(&batcher, row), MILLRACE_REPEAT);
  CHECK_EQUAL(batcher.dropped, 1);
  CHECK_EQUAL(millrace_batcher_reading(&batcher, 1, 2), MILLRACE_REPEAT);
  now++;
  CHECK_EQUAL(millrace_batcher_sample(&batcher, row), MILLRACE_OK);
}

static void what_the_store_refuses_is_counted_and_reported_once(void) {
  begin();
  CHECK_EQUAL(millrace_batcher_sample(&batcher, row), MILLRACE_OK);
  answer = MILLRACE_FULL;
  now += 1000;
  CHECK_EQUAL(millrace_batcher_poll(&batcher), MILLRACE_FULL);
  int64_t far = (int64_t)INT32_MAX + 2000;
  CHECK_EQUAL(millrace_batcher_offer(&batcher, MILLRACE_UPTIME, far, row), MILLRACE_FULL);
  CHECK_EQUAL(batcher.dropped, 0);
  millrace_clock_set(&clock, 1795416369998);
  CHECK_EQUAL(millrace_batcher_sample(&batcher, row), MILLRACE_FULL);
  CHECK_EQUAL(millrace_batcher_reading(&batcher, 0, 1), MILLRACE_REPEAT);
  now++;
  CHECK_EQUAL(millrace_batcher_reading(&batcher, 0, 1), MILLRACE_OK);
  now++;
  CHECK_EQUAL(millrace_batcher_reading(&batcher, 0, 1), MILLRACE_FULL);
  CHECK_EQUAL(batcher.dropped, 2);
  answer = MILLRACE_OK;
  now++;
  CHECK_EQUAL(millrace_batcher_reading(&batcher, 0, 1), MILLRACE_OK);
  CHECK_EQUAL(millrace_batcher_flush(&batcher), MILLRACE_OK);
  now++;
  CHECK_EQUAL(millrace_batcher_sample(&batcher, row), MILLRACE_OK);
  CHECK_EQUAL(millrace_batcher_flush(&batcher), MILLRACE_OK);
  int32_t expected[] = {0, 2, 0};
  CHECK_EQUAL(kept_count, 3);
  for (int i = 0; i < 3; i++) {
    decode(i);
    CHECK_EQUAL(decoded.seq, i);
    CHECK_EQUAL(decoded.dropped, expected[i]);
  }
}

static void samples_discarded_by_the_store_travel_in_the_next_frame(void) {
  begin();
  millrace_batcher_sample(&batcher, row);
  discards = 30;
  millrace_batcher_flush(&batcher);
  discards = 0;
  now++;
  millrace_batcher_sample(&batcher, row);
  millrace_batcher_flush(&batcher);
  decode(1);
  CHECK_EQUAL(decoded.dropped, 30);
  CHECK_EQUAL(batcher.dropped, 0);
  millrace_batcher_discard(&batcher, INT32_MAX);
  millrace_batcher_discard(&batcher, 1);
  CHECK_EQUAL(batcher.dropped, INT32_MAX);
}

static void a_step_of_the_clock_seals_the_frame(void) {
  begin();
  millrace_batcher_sample(&batcher, row);
  CHECK_EQUAL(millrace_clock_set(&clock, 1795416369998), MILLRACE_OK);
  now += 10;
  millrace_batcher_sample(&batcher, row);
  CHECK_EQUAL(millrace_clock_set(&clock, 1795416369998 + 10 + 249), MILLRACE_OK);
  now += 10;
  millrace_batcher_sample(&batcher, row);
  CHECK_EQUAL(millrace_clock_set(&clock, 1795416369998 + 20 + 250), MILLRACE_OK);
  now += 10;
  millrace_batcher_sample(&batcher, row);
  CHECK_EQUAL(millrace_clock_set(&clock, 1795416369998 - 5000), MILLRACE_OK);
  now += 10;
  millrace_batcher_sample(&batcher, row);
  millrace_batcher_flush(&batcher);
  CHECK_EQUAL(kept_count, 4);
  int64_t base[] = {100, 1795416370008, 1795416370278, 1795416365008};
  uint32_t samples[] = {1, 2, 1, 1};
  for (int i = 0; i < 4; i++) {
    decode(i);
    CHECK_EQUAL(decoded.clock, i == 0 ? MILLRACE_UPTIME : MILLRACE_SYNCED);
    CHECK(decoded.base == base[i]);
    CHECK_EQUAL(decoded.samples, samples[i]);
  }
}

static void a_clock_that_lost_its_battery_is_not_believed(void) {
  int64_t time;
  begin();
  CHECK_EQUAL(millrace_clock_set(&clock, 946684800000), MILLRACE_BAD_VALUE);
  CHECK_EQUAL(millrace_clock_set(&clock, MILLRACE_LATEST_TIME_MS), MILLRACE_BAD_VALUE);
  CHECK_EQUAL(millrace_clock_set(&clock, INT64_MAX), MILLRACE_BAD_VALUE);
  CHECK_EQUAL(millrace_clock_set(&clock, INT64_MIN), MILLRACE_BAD_VALUE);
  CHECK_EQUAL(millrace_clock_read(&clock, &time), MILLRACE_UPTIME);
}

static void the_clock_survives_the_wrap_of_its_32_bits(void) {
  begin();
  now = UINT32_MAX - 50;
  CHECK(millrace_clock_uptime(&clock) == (int64_t)UINT32_MAX - 50);
  for (int i = 0; i < 11; i++, now += 10) CHECK_EQUAL(millrace_batcher_sample(&batcher, row), MILLRACE_OK);
  millrace_batcher_flush(&batcher);
  decode(0);
  CHECK_EQUAL(decoded.samples, 11);
  CHECK(decoded.time[10] == (int64_t)UINT32_MAX + 50);
  now = UINT32_MAX - 5;
  millrace_batcher_sample(&batcher, row);
  now += 1000;
  CHECK_EQUAL(millrace_batcher_due(&batcher), 0);
}

static void a_boot_whose_numbers_are_used_up_goes_on_under_the_next(void) {
  begin();
  batcher.next_seq = INT32_MAX - 1;
  millrace_batcher_sample(&batcher, row);
  millrace_batcher_flush(&batcher);
  now++;
  CHECK_EQUAL(millrace_batcher_sample(&batcher, row), MILLRACE_EXHAUSTED);
  CHECK_EQUAL(millrace_batcher_restart(&batcher, 5), MILLRACE_BAD_ARGUMENT);
  CHECK_EQUAL(millrace_batcher_restart(&batcher, 6), MILLRACE_OK);
  now++;
  CHECK_EQUAL(millrace_batcher_sample(&batcher, row), MILLRACE_OK);
  answer = MILLRACE_BROKEN;
  CHECK_EQUAL(millrace_batcher_restart(&batcher, 7), MILLRACE_BROKEN);
  answer = MILLRACE_OK;
  millrace_batcher_flush(&batcher);
  decode(1);
  CHECK_EQUAL(decoded.boot, 6);
  CHECK_EQUAL(decoded.seq, 0);
  CHECK_EQUAL(decoded.dropped, 1);
}

static void unusable_settings_are_refused(void) {
  struct millrace_batcher_config wrong = config;
  wrong.boot = -1;
  CHECK_EQUAL(millrace_batcher_init(&batcher, &wrong), MILLRACE_BAD_ARGUMENT);
  wrong = config;
  wrong.flush_ms = 0;
  CHECK_EQUAL(millrace_batcher_init(&batcher, &wrong), MILLRACE_BAD_ARGUMENT);
  wrong = config;
  wrong.max_payload = 20;
  CHECK_EQUAL(millrace_batcher_init(&batcher, &wrong), MILLRACE_BAD_ARGUMENT);
}

void batcher_tests(void) {
  run("a frame is sealed when its first sample is old enough", a_frame_is_sealed_when_its_first_sample_is_old_enough);
  run("a frame is sealed before a sample would pass its size", a_frame_is_sealed_before_a_sample_would_pass_its_size);
  run("sensors with different rates share samples", sensors_with_different_rates_share_samples);
  run("a moment ends when the clock moves on", a_moment_ends_when_the_clock_moves_on);
  run("a second value for a moment is refused", a_second_value_for_a_moment_is_refused);
  run("what the store refuses is counted and reported once", what_the_store_refuses_is_counted_and_reported_once);
  run("samples discarded by the store travel in the next frame", samples_discarded_by_the_store_travel_in_the_next_frame);
  run("a step of the clock seals the frame", a_step_of_the_clock_seals_the_frame);
  run("a clock that lost its battery is not believed", a_clock_that_lost_its_battery_is_not_believed);
  run("the clock survives the wrap of its 32 bits", the_clock_survives_the_wrap_of_its_32_bits);
  run("a boot whose numbers are used up goes on under the next", a_boot_whose_numbers_are_used_up_goes_on_under_the_next);
  run("unusable settings of the batcher are refused", unusable_settings_are_refused);
}
