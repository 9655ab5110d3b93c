#include "millrace/clock.h"

void millrace_clock_init(struct millrace_clock *clock, uint32_t (*now_ms)(void *context), void *context) {
  clock->now_ms = now_ms;
  clock->context = context;
  clock->last = now_ms(context);
  clock->uptime = clock->last;
  clock->offset = 0;
  clock->synced = false;
  clock->steps = 0;
}

int64_t millrace_clock_uptime(struct millrace_clock *clock) {
  uint32_t now = clock->now_ms(clock->context);
  clock->uptime += (uint32_t)(now - clock->last);
  clock->last = now;
  return clock->uptime;
}

enum millrace_clock_state millrace_clock_read(struct millrace_clock *clock, int64_t *time_ms) {
  int64_t uptime = millrace_clock_uptime(clock);
  *time_ms = clock->synced ? uptime + clock->offset : uptime;
  return clock->synced ? MILLRACE_SYNCED : MILLRACE_UPTIME;
}

enum millrace_status millrace_clock_set(struct millrace_clock *clock, int64_t unix_ms) {
  if (unix_ms < MILLRACE_EARLIEST_TIME_MS || unix_ms >= MILLRACE_LATEST_TIME_MS) return MILLRACE_BAD_VALUE;
  int64_t offset = unix_ms - millrace_clock_uptime(clock);
  /* One unsigned comparison for both directions. */
  uint64_t change = (uint64_t)(offset - clock->offset) + MILLRACE_CLOCK_STEP_MS - 1;
  if (clock->synced && change < 2 * MILLRACE_CLOCK_STEP_MS - 1) return MILLRACE_OK;
  clock->offset = offset;
  clock->synced = true;
  clock->steps++;
  return MILLRACE_OK;
}
