/* Edge batcher: readings in, sealed frames out to a store.
 *
 * A frame is sealed when its first sample is flush_ms old, when the next sample would pass max_payload bytes, when the
 * clock steps or becomes synchronised, and on request. A sample fits whole or the frame is sealed first.
 *
 * Frames are numbered from 0 within a boot. What could not be kept is counted, and the count travels in the next frame:
 * the sum of `dropped` over all frames is the number of samples lost on the device. Not safe for concurrent use. */
#ifndef MILLRACE_BATCHER_H
#define MILLRACE_BATCHER_H

#include <stdbool.h>
#include <stdint.h>

#include "millrace/clock.h"
#include "millrace/frame.h"

/* Takes sealed frames: a store or anything else. */
struct millrace_sink {
  /* OK; FULL or BROKEN: not taken. In either case *discarded is the number of samples, in frames put earlier, that were
   * discarded to make room. */
  enum millrace_status (*put)(void *context, const uint8_t *frame, uint16_t length, int32_t *discarded);
  void *context;
};

struct millrace_batcher_config {
  const struct millrace_schema *schema;
  struct millrace_clock *clock;
  struct millrace_sink sink;
  uint8_t *memory;      /* 2 * max_payload bytes, the batcher's until it is no longer used */
  uint16_t max_payload; /* MILLRACE_MAX_PAYLOAD unless there is a reason */
  uint32_t flush_ms;    /* MILLRACE_FLUSH_MS unless there is a reason */
  int32_t boot;         /* 0 to 2147483647, never used before: see boot.h */
};

struct millrace_batcher {
  struct millrace_frame frame;
  struct millrace_clock *clock;
  struct millrace_sink sink;
  uint8_t *sealed; /* where frames are sealed, max_payload bytes */
  uint32_t flush_ms;
  uint32_t opened_ms;   /* injected clock when the open frame got its first sample */
  uint32_t clock_steps; /* of the clock, when the open frame was opened */
  int32_t boot;
  int32_t next_seq;
  int32_t dropped; /* samples discarded and not yet reported by a sealed frame */
  bool open;
  bool moment_open;       /* readings of the moment wait for the clock to move on */
  uint32_t moment_set;    /* metrics that have a reading in the moment */
  int64_t moment_uptime;
  int64_t sampled_uptime; /* of the newest sample taken by the clock; -1: none yet */
  int32_t moment[MILLRACE_MAX_METRICS];
};

/* OK; BAD_ARGUMENT as millrace_frame_init, or for a negative boot or flush_ms 0. */
enum millrace_status millrace_batcher_init(struct millrace_batcher *batcher,
                                           const struct millrace_batcher_config *config);

/* One reading of one metric, taken now. Readings of the same millisecond become one sample, so sensors with different
 * rates share a frame; the sample is complete when the clock has moved on.
 * OK; REPEAT: this metric already has a reading in this millisecond; FULL, EXHAUSTED or BROKEN: this reading was taken, but the sample
 * before it had to be discarded, and is counted; BAD_ARGUMENT: no such metric. */
enum millrace_status millrace_batcher_reading(struct millrace_batcher *batcher, uint8_t metric, int32_t value);

/* One sample taken now: a raw value per metric, the missing code where there is none.
 * OK; REPEAT: there is a sample of this millisecond; FULL, EXHAUSTED or BROKEN: no room. Whatever is not taken is counted as dropped. */
enum millrace_status millrace_batcher_sample(struct millrace_batcher *batcher, const int32_t *values);

/* One sample with a time of its own, for callers that can wait: when it is not taken nothing is counted and it may be
 * offered again. Times may repeat or go back; going back seals the frame.
 * OK; FULL or BROKEN: the store has no room for the frame that must be sealed first; EXHAUSTED: call
 * millrace_batcher_restart. */
enum millrace_status millrace_batcher_offer(struct millrace_batcher *batcher, enum millrace_clock_state state,
                                            int64_t time_ms, const int32_t *values);

/* Counts samples that the caller discarded. */
void millrace_batcher_discard(struct millrace_batcher *batcher, int32_t samples);

/* Seals the frame if it is due. Call it at least as often as millrace_batcher_due says.
 * OK; FULL or BROKEN: the store had no room and the frame stays open. */
enum millrace_status millrace_batcher_poll(struct millrace_batcher *batcher);

/* Milliseconds until millrace_batcher_poll has something to do; UINT32_MAX when only another reading will change that: not a time
 * to sleep for, then. The publisher needs its turns too. */
uint32_t millrace_batcher_due(struct millrace_batcher *batcher);

/* Seals what there is, before sleep or shutdown. OK, also when there is nothing; FULL or BROKEN as in poll. */
enum millrace_status millrace_batcher_flush(struct millrace_batcher *batcher);

/* Goes on under a new boot number, with frame numbers from 0.
 * OK; FULL or BROKEN: the open frame could not be sealed and nothing has changed; BAD_ARGUMENT: boot is not larger. */
enum millrace_status millrace_batcher_restart(struct millrace_batcher *batcher, int32_t boot);

#endif
