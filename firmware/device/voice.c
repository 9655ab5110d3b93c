#include "voice.h"

#include <stdio.h>
#include <string.h>

/* A broker that has not answered after so long has something to be said about. */
#define PATIENCE_MS 1000

/* Refusals printed; the rest are counted. */
#define COMPLAINTS_PRINTED 10

#define NO_MATCHING_SUBSCRIBERS 0x10

static void acknowledged(void *context, uint32_t handle, uint8_t reason) {
  struct voice *voice = context;
  (void)handle;
  if (reason < 0x80 && reason != NO_MATCHING_SUBSCRIBERS) {
    voice->acknowledged++;
    return;
  }
  voice->refused++;
  if ((voice->refused == 1 || reason != voice->reason) && voice->complaints++ < COMPLAINTS_PRINTED)
    fprintf(stderr, "millrace-device: the broker did not take a frame: %s (0x%02X)%s; it is kept and sent again\n",
            millrace_mosquitto_reason(reason), reason,
            reason == NO_MATCHING_SUBSCRIBERS ? ", so nobody would get it: does the bridge run?" : "");
  voice->reason = reason;
}

struct millrace_observer voice_observer(struct voice *voice) {
  struct millrace_observer observer = {NULL, acknowledged, voice};
  return observer;
}

static void say_waiting(struct voice *voice, const char *why) {
  if (strncmp(voice->said, why, sizeof voice->said - 1) == 0) return;
  snprintf(voice->said, sizeof voice->said, "%s", why);
  fprintf(stderr, "millrace-device: waiting for the broker at %s:%d: %s; readings are kept in %s\n", voice->options->broker.host,
          voice->options->broker.port, why, voice->options->store);
}

void voice_turn(struct voice *voice, const struct millrace_publisher *publisher, uint32_t now_ms) {
  const char *trouble = millrace_mosquitto_trouble(voice->session);
  switch (publisher->state) {
    case MILLRACE_PUBLISHER_READY:
      if (voice->said[0] != '\0') fprintf(stderr, "millrace-device: the broker is there\n");
      voice->said[0] = '\0';
      break;
    case MILLRACE_PUBLISHER_WAITING:
      if (trouble[0] != '\0') say_waiting(voice, trouble);
      break;
    case MILLRACE_PUBLISHER_CONNECTING:
      if (voice->said[0] == '\0' && now_ms - publisher->since_ms > PATIENCE_MS) say_waiting(voice, "it has not answered yet");
      break;
    case MILLRACE_PUBLISHER_STOPPED:
      break;
  }
}

void voice_ending(const struct voice *voice, unsigned left, char *text, size_t size) {
  if (left == 0) {
    snprintf(text, size, "%s", voice->acknowledged > 0 ? "all acknowledged" : "there was nothing to send");
    return;
  }
  int length = snprintf(text, size, "%u frame%s left in %s for the next run", left, left == 1 ? " is" : "s are", voice->options->store);
  if (length < 0 || (size_t)length >= size) return;
  if (voice->said[0] != '\0') {
    snprintf(text + length, size - (size_t)length, ": the broker was not there (%s)", voice->said);
  } else if (voice->refused > 0) {
    snprintf(text + length, size - (size_t)length, ": the broker did not take them (%s)", millrace_mosquitto_reason(voice->reason));
  }
}
