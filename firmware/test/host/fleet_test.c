/* Tests of the fleet's own parts. */
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdlib.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "boot_file.h"
#include "check.h"
#include "csv.h"
#include "hive_1.h"
#include "hive_2.h"
#include "json.h"
#include "ledger.h"
#include "model.h"
#include "plant_1.h"
#include "raw_value.h"
#include "suites.h"
#include "time_text.h"

static void expect(const char *text, const struct millrace_metric *metric, bool round, enum raw_value outcome, int32_t raw) {
  int32_t found = 0;
  CHECK_EQUAL(raw_value_parse(text, metric, round, &found), outcome);
  if (outcome == RAW_VALUE_OK) CHECK_EQUAL(found, raw);
}

static void values_become_raw_without_rounding(void) {
  const struct millrace_metric *hundredths = &hive_1_metrics[HIVE_1_TEMPERATURE];
  const struct millrace_metric *sixteenths = &hive_2_metrics[HIVE_2_TEMP16];
  expect("26.24", hundredths, false, RAW_VALUE_OK, 2624);
  expect("-0.01", hundredths, false, RAW_VALUE_OK, -1);
  expect("+35.9", hundredths, false, RAW_VALUE_OK, 3590);
  expect("35.900000", hundredths, false, RAW_VALUE_OK, 3590);
  expect("35.905", hundredths, false, RAW_VALUE_INEXACT, 0);
  expect("35.905", hundredths, true, RAW_VALUE_OK, 3591);
  expect("-35.905", hundredths, true, RAW_VALUE_OK, -3591);
  expect("35.904", hundredths, true, RAW_VALUE_OK, 3590);
  expect("-40", sixteenths, false, RAW_VALUE_OK, 0);
  expect("26.0625", sixteenths, false, RAW_VALUE_OK, 1057);
  expect("26.1", sixteenths, false, RAW_VALUE_INEXACT, 0);
  expect("26.1", sixteenths, true, RAW_VALUE_OK, 1058);
  expect("21474836.47", hundredths, false, RAW_VALUE_OK, INT32_MAX);
  expect("21474836.48", hundredths, false, RAW_VALUE_OUT_OF_RANGE, 0);
  expect("-327.68", hundredths, false, RAW_VALUE_OUT_OF_RANGE, 0);
  expect("", hundredths, false, RAW_VALUE_NOT_A_NUMBER, 0);
  expect("1e3", hundredths, false, RAW_VALUE_NOT_A_NUMBER, 0);
  expect("1.2.3", hundredths, false, RAW_VALUE_NOT_A_NUMBER, 0);
  expect("nan", hundredths, false, RAW_VALUE_NOT_A_NUMBER, 0);
  expect("-", hundredths, false, RAW_VALUE_NOT_A_NUMBER, 0);
  expect("1234567890123456789", hundredths, false, RAW_VALUE_NOT_A_NUMBER, 0);
}

static const char *text_of(int32_t raw, const struct millrace_metric *metric) {
  static char text[64];
  raw_value_text(raw, metric, text, sizeof text);
  return text;
}

static const char *holds(const struct millrace_metric *metric) {
  static char text[256];
  raw_value_holds(metric, text, sizeof text);
  return text;
}

static void raw_values_become_text_and_the_same_raw_value_again(void) {
  static const int32_t some[] = {0, 1, -1, 7, 99, 100, -12345, 2147483646, INT32_MAX, INT32_MIN};
  const struct millrace_metric *sixteenths = &hive_2_metrics[HIVE_2_TEMP16];
  for (unsigned i = 0; i < sizeof some / sizeof some[0]; i++) {
    expect(text_of(some[i], &hive_1_metrics[HIVE_1_TEMPERATURE]), &hive_1_metrics[HIVE_1_TEMPERATURE], false, RAW_VALUE_OK, some[i]);
    expect(text_of(some[i], sixteenths), sixteenths, false, RAW_VALUE_OK, some[i]);
  }
  CHECK_TEXT(text_of(-1, &hive_1_metrics[HIVE_1_TEMPERATURE]), "-0.01");
  CHECK_TEXT(text_of(1057, sixteenths), "26.0625");
  CHECK_TEXT(text_of(3, &hive_2_metrics[HIVE_2_CHARGE]), "75");
  CHECK_TEXT(text_of(77, &hive_2_metrics[HIVE_2_CHARGE]), "");
  CHECK_TEXT(holds(&hive_1_metrics[HIVE_1_TEMPERATURE]), "2 decimals, from -21474836.48 to 21474836.47");
  CHECK_TEXT(holds(sixteenths), "steps of 0.0625, from -134217768 to 134217687.9375");
  CHECK_TEXT(holds(&hive_2_metrics[HIVE_2_CHARGE]), "one of 0, 25, 50, 75, 100");
}

static void a_coded_metric_takes_the_values_of_its_map(void) {
  const struct millrace_metric *charge = &hive_2_metrics[HIVE_2_CHARGE];
  expect("75", charge, false, RAW_VALUE_OK, 3);
  expect("75.0", charge, false, RAW_VALUE_OK, 3);
  expect("74", charge, true, RAW_VALUE_INEXACT, 0);
}

static void a_falling_scale_is_converted_too(void) {
  struct millrace_metric falling = {"x", "x", -1, 100, 2, INT32_MIN, 0, NULL};
  CHECK_TEXT(text_of(1, &falling), "49.5");
  CHECK_TEXT(holds(&falling), "steps of 0.5, from -1073741773.5 to 1073741874");
  expect("49.5", &falling, false, RAW_VALUE_OK, 1);
  expect("49.6", &falling, false, RAW_VALUE_INEXACT, 0);
}

static void times_in_text_are_milliseconds(void) {
  static const struct { const char *text; int64_t ms; } good[] = {
      {"2021-06-19 00:04:58+00:00", 1624061098000}, {"2021-06-19T00:04:58Z", 1624061098000},
      {"2021-06-19T00:04:58.25Z", 1624061098250}, {"2021-06-19T02:04:58.250000+02:00", 1624061098250},
      {"2021-06-18T19:34:58-0430", 1624061098000}, {"2021-06-19T00:04", 1624061040000},
      {"2021-06-19T02:04+02", 1624061040000}, {"1624061098250", 1624061098250}, {"-50000", -50000},
      {"2020-02-29T00:00:00Z", 1582934400000}, {"1969-12-31T23:59:59Z", -1000},
      {"2000-03-01T00:00:00Z", 951868800000}, {"1900-03-01T00:00:00Z", -2203891200000}};
  static const char *bad[] = {"", "2021", "-5000", "2021-06-19", "2021-06-19X00:04", "2021-13-19T00:04", "2021-02-29T00:04", "2021-06-31T00:04",
                              "2021-06-19T24:04", "2021-06-19T00:60", "2021-06-19T00:04:60", "2021-06-19T00:04:58.", "2021-06-19T00:04:58.0001",
                              "2021-06-19T00:04:58+", "2021-06-19T00:04:58+1", "2021-06-19T00:04:58+19:00", "2021-06-19T00:04:58Zx", "2021-06-19T00:04:58+02:6",
                              "2021-06-19T00:04:58+02:60", "2021-06-19T0a:04", "2021_06-19T00:04", "2021-06_19T00:04", "1900-02-29T00:00", "2021-00-19T00:04", "2021-06-00T00:04", "2021-06-19T00-04"};
  for (unsigned i = 0; i < sizeof good / sizeof good[0]; i++) {
    int64_t ms = 0;
    CHECK(time_text_parse(good[i].text, &ms));
    CHECK_EQUAL(ms, good[i].ms);
  }
  for (unsigned i = 0; i < sizeof bad / sizeof bad[0]; i++) {
    int64_t ms;
    CHECK(!time_text_parse(bad[i], &ms));
  }
}

static void milliseconds_become_text_and_the_same_time_again(void) {
  static const struct { int64_t ms; const char *text; } some[] = {
      {1624061098250, "2021-06-19T00:04:58.250Z"}, {0, "1970-01-01T00:00:00.000Z"}, {-1, "1969-12-31T23:59:59.999Z"},
      {-1000, "1969-12-31T23:59:59.000Z"}, {1582934400007, "2020-02-29T00:00:00.007Z"},
      {-62135596800000, "0001-01-01T00:00:00.000Z"}, {253402300799999, "9999-12-31T23:59:59.999Z"}};
  char text[TIME_TEXT_LENGTH + 1] = "";
  int64_t ms;
  for (unsigned i = 0; i < sizeof some / sizeof some[0]; i++) {
    time_text_write(some[i].ms, text);
    CHECK_TEXT(text, some[i].text);
    CHECK(time_text_parse(text, &ms) && ms == some[i].ms);
  }
  for (int i = 0; i < 10000; i++) {
    int64_t any = (int64_t)random_number() * 50000 + random_up_to(49999);
    time_text_write(any, text);
    CHECK(time_text_parse(text, &ms) && ms == any);
  }
}

static const struct firmware plant = {&plant_1_schema, plant_1_metrics};
static const struct firmware second_hive = {&hive_2_schema, hive_2_metrics};

static const char *json_of(const struct firmware *firmware, const int32_t *values) {
  static char text[JSON_MAX + 1];
  uint16_t length = json_write(firmware, 1795406400123, values, text);
  CHECK(length <= json_longest(firmware));
  text[length] = '\0';
  return text;
}

static void a_sample_becomes_json_with_the_decimals_that_the_firmware_holds(void) {
  static const int32_t usual[] = {6213, 2431, 75003, 10132, 11801};
  static const int32_t unusual[] = {-1, 0, INT32_MAX, -2147483647, INT32_MIN};
  static const int32_t hives[] = {1057, 255, 9001, -32768, 3};
  static const int32_t strange[] = {1057, 110, 9000, 420, 77};
  CHECK_TEXT(json_of(&plant, usual), "{\"ts\":\"2026-11-23T04:00:00.123Z\",\"temperature\":62.13,\"vibration\":2.431,\"power\":7500.3,"
                                     "\"pressure\":1013.2,\"rotational_speed\":2950.25}");
  CHECK_TEXT(json_of(&plant, unusual), "{\"ts\":\"2026-11-23T04:00:00.123Z\",\"temperature\":-0.01,\"vibration\":0,\"power\":214748364.7,"
                                       "\"pressure\":-214748364.7,\"rotational_speed\":null}");
  CHECK_TEXT(json_of(&second_hive, hives), "{\"ts\":\"2026-11-23T04:00:00.123Z\",\"temperature\":26.0625,\"humidity\":null,\"weight\":45.005,"
                                           "\"sound_level\":null,\"battery_level\":75}");
  /* A code that the schema does not list stands for no value. */
  CHECK(strstr(json_of(&second_hive, strange), "\"battery_level\":null}") != NULL);
}

static void no_sample_of_json_is_longer_than_its_firmware_says(void) {
  /* Seven thousandths of a raw value: as many decimals as are written. */
  static const struct millrace_metric long_metrics[] = {{"x", "x", INT64_MAX / 5, 0, 7, 0, 0, NULL}, {"y", "y", 1, 0, 7, 0, 0, NULL}};
  static const int32_t none[] = {0, 0};
  static const struct millrace_schema schema = {"long-1", {0}, 2, none};
  static const struct firmware wide = {&schema, long_metrics};
  static const int32_t values[] = {-5, INT32_MIN};
  CHECK_TEXT(json_of(&wide, values), "{\"ts\":\"2026-11-23T04:00:00.123Z\",\"x\":-1317624576693539400.714285714285,\"y\":-306783378.285714285714}");
}

static struct csv csv;

static bool open_text(const char *text, const struct firmware *firmware) {
  int ends[2];
  CHECK_EQUAL(pipe(ends), 0);
  CHECK_EQUAL(write(ends[1], text, strlen(text)), (int64_t)strlen(text));
  close(ends[1]);
  return csv_open(&csv, ends[0], firmware, false);
}

static const struct firmware hive = {&hive_1_schema, hive_1_metrics};

/* The lines about bad rows go to standard error: keep the test's output clean. */
static int mute(void) {
  int before = dup(STDERR_FILENO);
  int nowhere = open("/dev/null", O_WRONLY);
  fflush(stderr);
  dup2(nowhere, STDERR_FILENO);
  close(nowhere);
  return before;
}

static void unmute(int before) {
  fflush(stderr);
  dup2(before, STDERR_FILENO);
  close(before);
}

static void lines_become_samples_and_bad_ones_are_counted(void) {
  struct csv_row row;
  int before = mute();
  CHECK(open_text("Date,Tag number,humidity,temperature\r\n"
                  "2021-06-19 00:04:58+00:00,3629,35.45,26.24\r\n"
                  "\n"
                  "2021-06-19 00:04:58+00:00,3629,35.45\n"
                  "yesterday,3629,35.45,26.24\n"
                  "2021-06-19 00:04:58+00:00,36/29,35.45,26.24\n"
                  "2021-06-19 00:04:58+00:00,3629,35.455,26.24\n"
                  "2021-06-19 00:04:58+00:00,3629,x,26.24\n"
                  "2021-06-19 00:04:58+00:00,3629,99999999,26.24\n"
                  "1624061098001,\"b\",,-26.2", &hive));
  CHECK_EQUAL(csv_next(&csv, &row), CSV_ROW);
  CHECK_TEXT(row.device, "3629");
  CHECK(row.time_ms == 1624061098000);
  CHECK_EQUAL(row.values[HIVE_1_TEMPERATURE], 2624);
  CHECK_EQUAL(row.values[HIVE_1_HUMIDITY], 3545);
  CHECK_EQUAL(row.readings, 2);
  CHECK_EQUAL(csv_next(&csv, &row), CSV_ROW);
  CHECK_TEXT(row.device, "b");
  CHECK_EQUAL(row.values[HIVE_1_TEMPERATURE], -2620);
  CHECK_EQUAL(row.values[HIVE_1_HUMIDITY], -32768);
  CHECK_EQUAL(row.readings, 1);
  CHECK_EQUAL(csv_next(&csv, &row), CSV_END);
  unmute(before);
  CHECK_EQUAL(csv.rows, 2);
  CHECK_EQUAL(csv.errors, 6);
}

static void a_header_that_is_not_one_is_refused(void) {
  int before = mute();
  CHECK(!open_text("", &hive));
  CHECK(!open_text("time,device\n", &hive));
  CHECK(!open_text("time,device,weight\n", &hive));
  unmute(before);
}

static void a_line_too_long_is_an_error_not_a_crash(void) {
  static char text[70000];
  struct csv_row row;
  int ends[2];
  int before = mute();
  CHECK_EQUAL(pipe(ends), 0);
  fcntl(ends[1], F_SETPIPE_SZ, 262144);
  memset(text, 'x', sizeof text);
  memcpy(text, "time,device,temperature\n", 24);
  text[sizeof text - 1] = '\n';
  CHECK_EQUAL(write(ends[1], text, sizeof text), sizeof text);
  CHECK_EQUAL(write(ends[1], "1624061098001,b,1\n", 18), 18);
  close(ends[1]);
  CHECK(csv_open(&csv, ends[0], &hive, false));
  CHECK_EQUAL(csv_next(&csv, &row), CSV_ROW);
  CHECK_EQUAL(csv_next(&csv, &row), CSV_END);
  unmute(before);
  CHECK(csv.errors > 0);
}

static void boot_numbers_rise_and_are_never_guessed(void) {
  char directory[] = "/tmp/millrace-boot-XXXXXX";
  char path[64];
  int32_t first = -1;
  int32_t next = -1;
  CHECK(mkdtemp(directory) != NULL);
  snprintf(path, sizeof path, "%s/new/fleet.boot", directory);
  CHECK_EQUAL(millrace_boot_file_next(path, &first), MILLRACE_OK);
  CHECK(first >= 0 && first < 1 << 30);
  CHECK_EQUAL(millrace_boot_file_next(path, &next), MILLRACE_OK);
  CHECK_EQUAL(next, first + 1);
  static const char *bad[] = {"", "x\n", "-1\n", "2147483647\n", "12x\n"};
  for (unsigned i = 0; i < sizeof bad / sizeof bad[0]; i++) {
    FILE *file = fopen(path, "w");
    fputs(bad[i], file);
    fclose(file);
    CHECK_EQUAL(millrace_boot_file_next(path, &next), MILLRACE_CORRUPT);
  }
  unlink(path);
  CHECK_EQUAL(millrace_boot_file_next("/proc/millrace/none.boot", &next), MILLRACE_BROKEN);
  *strrchr(path, '/') = '\0';
  rmdir(path);
  rmdir(directory);
}

static void synthetic_values_repeat_with_their_seed_and_stay_in_range(void) {
  const struct millrace_schema *schemas[] = {&hive_1_schema, &hive_2_schema, &plant_1_schema};
  for (int f = 0; f < 3; f++) {
    struct model one, same, other;
    int differences = 0;
    CHECK_EQUAL(model_init(&one, schemas[f], 1, 7), 0);
    CHECK_EQUAL(model_init(&same, schemas[f], 1, 7), 0);
    CHECK_EQUAL(model_init(&other, schemas[f], 2, 7), 0);
    for (int64_t time = 1795416369998; time < 1795416369998 + 3 * 86400000LL; time += 60000) {
      int32_t a[MILLRACE_MAX_METRICS], b[MILLRACE_MAX_METRICS], c[MILLRACE_MAX_METRICS];
      model_sample(&one, time, a);
      model_sample(&same, time, b);
      model_sample(&other, time, c);
      for (uint8_t m = 0; m < schemas[f]->metric_count; m++) {
        CHECK_EQUAL(a[m], b[m]);
        CHECK(a[m] != schemas[f]->missing[m]);
        differences += a[m] != c[m];
      }
      if (f == 0) CHECK(a[1] >= 0 && a[1] <= 10000);
      if (f == 1) CHECK(a[1] >= 0 && a[1] <= 200 && a[4] >= 0 && a[4] <= 4);
    }
    CHECK(differences > 1000);
  }
  struct millrace_schema unknown = {"none-1", {0}, 2, hive_1_missing};
  struct model model;
  CHECK_EQUAL(model_init(&model, &unknown, 1, 1), -1);
}

static void a_ledger_may_hold_the_frames_themselves(void) {
  static struct ledger ledger;
  static const uint8_t frame[] = {0xC3, 0x01, 0x00, 0xFF};
  struct frame_record record = {.boot = 2, .seq = 7, .base_ms = 1000, .last_ms = 1500, .published_us = 3, .samples = 2, .bytes = sizeof frame};
  char path[] = "/tmp/millrace-ledger-XXXXXX";
  char text[256] = "";
  int file = mkstemp(path);
  CHECK(ledger_open(&ledger, path, true));
  CHECK(ledger_write(&ledger, "hive-1", &record, frame, 4));
  CHECK(ledger_flush(&ledger));
  CHECK(read(file, text, sizeof text - 1) > 0);
  CHECK_TEXT(text, "device,boot,seq,base_ms,last_ms,samples,bytes,published_us,acked_us,frame\n"
                   "hive-1,2,7,1000,1500,2,4,3,4,c30100ff\n");
  close(ledger.file);
  close(file);
  unlink(path);
}

void fleet_tests(void) {
  run("values become raw without rounding", values_become_raw_without_rounding);
  run("raw values become text, and the same raw value again", raw_values_become_text_and_the_same_raw_value_again);
  run("a coded metric takes the values of its map", a_coded_metric_takes_the_values_of_its_map);
  run("a falling scale is converted too", a_falling_scale_is_converted_too);
  run("times in text are milliseconds", times_in_text_are_milliseconds);
  run("milliseconds become text, and the same time again", milliseconds_become_text_and_the_same_time_again);
  run("a sample becomes JSON with the decimals that the firmware holds", a_sample_becomes_json_with_the_decimals_that_the_firmware_holds);
  run("no sample of JSON is longer than its firmware says", no_sample_of_json_is_longer_than_its_firmware_says);
  run("lines become samples and bad ones are counted", lines_become_samples_and_bad_ones_are_counted);
  run("a header that is not one is refused", a_header_that_is_not_one_is_refused);
  run("a line too long is an error, not a crash", a_line_too_long_is_an_error_not_a_crash);
  run("boot numbers rise and are never guessed", boot_numbers_rise_and_are_never_guessed);
  run("a ledger may hold the frames themselves", a_ledger_may_hold_the_frames_themselves);
  run("synthetic values repeat with their seed and stay in range", synthetic_values_repeat_with_their_seed_and_stay_in_range);
}
