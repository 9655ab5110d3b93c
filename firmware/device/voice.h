/* What millrace-device says of its way to the broker: at once, and once for each thing. */
#ifndef DEVICE_VOICE_H
#define DEVICE_VOICE_H

#include <stddef.h>

#include "device_options.h"
#include "millrace/publisher.h"

struct voice {
  const struct device_options *options;
  const struct millrace_mosquitto *session;
  char said[160];        /* why it waits, as it was said last; empty: nothing was */
  unsigned complaints;   /* refusals that were printed */
  uint64_t acknowledged; /* frames */
  uint64_t refused;      /* times that the broker refused a frame */
  uint8_t reason;        /* of the last refusal */
};

/* Tells it of PUBACKs. */
struct millrace_observer voice_observer(struct voice *voice);

/* After each poll of the publisher: says that it waits for the broker, and why, and when it is there. */
void voice_turn(struct voice *voice, const struct millrace_publisher *publisher, uint32_t now_ms);

/* The end of the summary. left: frames that the store keeps. */
void voice_ending(const struct voice *voice, unsigned left, char *text, size_t size);

#endif
