#include "millrace/batcher.h"

#include <string.h>

enum millrace_status millrace_batcher_init(struct millrace_batcher *batcher,
                                           const struct millrace_batcher_config *config) {
  if (config->boot < 0 || config->flush_ms == 0) return MILLRACE_BAD_ARGUMENT;
  memset(batcher, 0, sizeof *batcher);
  batcher->clock = config->clock;
  batcher->sink = config->sink;
  batcher->sealed = config->memory + config->max_payload;
  batcher->flush_ms = config->flush_ms;
  batcher->boot = config->boot;
  batcher->sampled_uptime = -1;
  return millrace_frame_init(&batcher->frame, config->schema, config->memory, config->max_payload);
}

void millrace_batcher_discard(struct millrace_batcher *batcher, int32_t samples) {
  /* Saturates: an int on the wire, and two thousand million lost samples are all there is to say. */
  batcher->dropped = samples > INT32_MAX - batcher->dropped ? INT32_MAX : batcher->dropped + samples;
}

static enum millrace_status seal(struct millrace_batcher *batcher) {
  int32_t discarded = 0;
  uint16_t length;
  enum millrace_status status;

  if (!batcher->open) return MILLRACE_OK;
  length = millrace_frame_seal(&batcher->frame, batcher->sealed);
  status = batcher->sink.put(batcher->sink.context, batcher->sealed, length, &discarded);
  if (status == MILLRACE_OK) {
    batcher->open = false;
    batcher->next_seq++;
    batcher->dropped -= batcher->frame.start.dropped;
  }
  millrace_batcher_discard(batcher, discarded);
  return status;
}

static enum millrace_status open_frame(struct millrace_batcher *batcher, enum millrace_clock_state state,
                                       int64_t time_ms) {
  struct millrace_frame_start start;

  if (batcher->next_seq == INT32_MAX) return MILLRACE_EXHAUSTED;
  start.boot = batcher->boot;
  start.seq = batcher->next_seq;
  start.clock = state;
  start.base = time_ms;
  start.dropped = batcher->dropped;
  batcher->opened_ms = batcher->clock->now_ms(batcher->clock->context);
  batcher->clock_steps = batcher->clock->steps;
  batcher->open = true;
  return millrace_frame_open(&batcher->frame, &start);
}

enum millrace_status millrace_batcher_offer(struct millrace_batcher *batcher, enum millrace_clock_state state,
                                            int64_t time_ms, const int32_t *values) {
  enum millrace_status status;

  if (batcher->open && batcher->frame.start.clock == state) {
    status = millrace_frame_append(&batcher->frame, time_ms, values);
    if (status == MILLRACE_OK) return status;
  }
  status = seal(batcher);
  if (status != MILLRACE_OK) return status;
  status = open_frame(batcher, state, time_ms);
  if (status != MILLRACE_OK) return status;
  return millrace_frame_append(&batcher->frame, time_ms, values);
}

/* A sample by the clock: a step seals the frame first, and what is not taken is counted. */
static enum millrace_status take(struct millrace_batcher *batcher, int64_t uptime, const int32_t *values) {
  const struct millrace_clock *clock = batcher->clock;
  enum millrace_status status = MILLRACE_OK;

  batcher->sampled_uptime = uptime;
  if (batcher->open && batcher->clock_steps != clock->steps) status = seal(batcher);
  /* The offset is 0 until the time of day is known. */
  if (status == MILLRACE_OK)
    status = millrace_batcher_offer(batcher, clock->synced ? MILLRACE_SYNCED : MILLRACE_UPTIME, uptime + clock->offset, values);
  if (status != MILLRACE_OK) millrace_batcher_discard(batcher, 1);
  return status;
}

/* Makes a sample of the readings of the moment. */
static enum millrace_status close_moment(struct millrace_batcher *batcher) {
  if (!batcher->moment_open) return MILLRACE_OK;
  batcher->moment_open = false;
  return take(batcher, batcher->moment_uptime, batcher->moment);
}

enum millrace_status millrace_batcher_reading(struct millrace_batcher *batcher, uint8_t metric, int32_t value) {
  const struct millrace_schema *schema = batcher->frame.schema;
  enum millrace_status status = MILLRACE_OK;
  int64_t uptime = millrace_clock_uptime(batcher->clock);

  if (metric >= schema->metric_count) return MILLRACE_BAD_ARGUMENT;
  if (batcher->moment_open && batcher->moment_uptime != uptime) status = close_moment(batcher);
  if (!batcher->moment_open) {
    if (batcher->sampled_uptime == uptime) return MILLRACE_REPEAT;
    memcpy(batcher->moment, schema->missing, schema->metric_count * sizeof *batcher->moment);
    batcher->moment_open = true;
    batcher->moment_set = 0;
    batcher->moment_uptime = uptime;
  }
  if ((batcher->moment_set & (UINT32_C(1) << metric)) != 0) return MILLRACE_REPEAT;
  batcher->moment_set |= UINT32_C(1) << metric;
  batcher->moment[metric] = value;
  return status;
}

enum millrace_status millrace_batcher_sample(struct millrace_batcher *batcher, const int32_t *values) {
  int64_t uptime = millrace_clock_uptime(batcher->clock);

  /* Whatever becomes of the moment before is counted there. */
  (void)close_moment(batcher);
  if (batcher->sampled_uptime != uptime) return take(batcher, uptime, values);
  millrace_batcher_discard(batcher, 1);
  return MILLRACE_REPEAT;
}

uint32_t millrace_batcher_due(struct millrace_batcher *batcher) {
  uint32_t age;

  if (batcher->moment_open) return 1;
  if (!batcher->open) return UINT32_MAX;
  age = batcher->clock->now_ms(batcher->clock->context) - batcher->opened_ms;
  return age >= batcher->flush_ms ? 0 : batcher->flush_ms - age;
}

enum millrace_status millrace_batcher_poll(struct millrace_batcher *batcher) {
  if (batcher->moment_open && millrace_clock_uptime(batcher->clock) != batcher->moment_uptime)
    (void)close_moment(batcher);
  if (!batcher->open) return MILLRACE_OK;
  if (batcher->clock->now_ms(batcher->clock->context) - batcher->opened_ms < batcher->flush_ms) return MILLRACE_OK;
  return seal(batcher);
}

enum millrace_status millrace_batcher_flush(struct millrace_batcher *batcher) {
  (void)close_moment(batcher);
  return seal(batcher);
}

enum millrace_status millrace_batcher_restart(struct millrace_batcher *batcher, int32_t boot) {
  enum millrace_status status;

  if (boot <= batcher->boot) return MILLRACE_BAD_ARGUMENT;
  status = millrace_batcher_flush(batcher);
  if (status != MILLRACE_OK) return status;
  batcher->boot = boot;
  batcher->next_seq = 0;
  return MILLRACE_OK;
}
