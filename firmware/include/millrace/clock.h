/* Time: a monotonic clock that the caller injects, and an offset to the time of day once that is known.
 *
 * The injected clock counts milliseconds in 32 bits and may wrap; read it (or poll a batcher) at least once in 49 days.
 * Until millrace_clock_set has been called the state is UPTIME. */
#ifndef MILLRACE_CLOCK_H
#define MILLRACE_CLOCK_H

#include <stdbool.h>
#include <stdint.h>

#include "millrace/frame.h"

struct millrace_clock {
  uint32_t (*now_ms)(void *context);
  void *context;
  uint32_t last;  /* newest value of now_ms */
  int64_t uptime; /* the same, with its wraps counted */
  int64_t offset; /* time of day = uptime + offset, when synced */
  bool synced;
  uint32_t steps; /* times that the offset has changed */
};

void millrace_clock_init(struct millrace_clock *clock, uint32_t (*now_ms)(void *context), void *context);

/* Milliseconds since boot, beyond the wrap of the injected clock. */
int64_t millrace_clock_uptime(struct millrace_clock *clock);

/* The present time in time_ms, and what it counts from. */
enum millrace_clock_state millrace_clock_read(struct millrace_clock *clock, int64_t *time_ms);

/* Takes the time of day from SNTP, GNSS or an RTC. A difference below MILLRACE_CLOCK_STEP_MS to the running clock is left
 * alone. After a step backwards new samples may carry times that were used before it.
 * OK; BAD_VALUE for a time before MILLRACE_EARLIEST_TIME_MS, which is a clock that lost its battery, or from
 * MILLRACE_LATEST_TIME_MS on. */
enum millrace_status millrace_clock_set(struct millrace_clock *clock, int64_t unix_ms);

#endif
