/* The test harness: numbered sentences, counted checks, no dependency. Runs on the host and on a bare Cortex-M3. */
#ifndef CHECK_H
#define CHECK_H

#include <stdbool.h>
#include <stdint.h>

/* Fails the running test, and goes on with it, when the condition is false or the numbers differ. */
#define CHECK(condition) check_true((condition), #condition, __FILE__, __LINE__)
#define CHECK_EQUAL(actual, expected) \
  check_equal((int64_t)(actual), (int64_t)(expected), #actual, __FILE__, __LINE__)
#define CHECK_TEXT(actual, expected) check_text((actual), (expected), #actual, __FILE__, __LINE__)

void check_true(bool condition, const char *text, const char *file, int line);
void check_equal(int64_t actual, int64_t expected, const char *text, const char *file, int line);
void check_text(const char *actual, const char *expected, const char *text, const char *file, int line);

/* Runs one test. Its name is a sentence that is true when it passes. */
void run(const char *name, void (*test)(void));

/* Prints "N passed, N failed". The exit status. */
int finish(void);

/* A repeatable source of numbers for property tests. */
uint32_t random_number(void);
uint32_t random_up_to(uint32_t most);

#endif
