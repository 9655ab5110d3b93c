#include "check.h"

#include <stdio.h>
#include <string.h>

static int passed;
static int failed;
static bool ok;
static const char *running;
static uint32_t random_state = 2463534242u;

static void fail(const char *file, int line) {
  if (ok) printf("FAILED: %s\n", running);
  ok = false;
  printf("  %s:%d: ", file, line);
}

void check_true(bool condition, const char *text, const char *file, int line) {
  if (condition) return;
  fail(file, line);
  printf("%s\n", text);
}

void check_equal(int64_t actual, int64_t expected, const char *text, const char *file, int line) {
  if (actual == expected) return;
  fail(file, line);
  /* The bare machine's printf has no 64-bit numbers. */
  printf("%s is %ld, expected %ld\n", text, (long)actual, (long)expected);
}

void check_text(const char *actual, const char *expected, const char *text, const char *file, int line) {
  if (strcmp(actual, expected) == 0) return;
  fail(file, line);
  printf("%s is \"%s\", expected \"%s\"\n", text, actual, expected);
}

void run(const char *name, void (*test)(void)) {
  running = name;
  ok = true;
  test();
  if (ok) {
    passed++;
  } else {
    failed++;
  }
}

int finish(void) {
  printf("%d passed, %d failed\n", passed, failed);
  return failed == 0 && passed > 0 ? 0 : 1;
}

uint32_t random_number(void) {
  random_state ^= random_state << 13;
  random_state ^= random_state >> 17;
  random_state ^= random_state << 5;
  return random_state;
}

uint32_t random_up_to(uint32_t most) { return random_number() % (most + 1); }
