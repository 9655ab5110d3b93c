/* Whatever a broker sends, in whatever pieces: the session goes on or ends, and never gives out an impossible event. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "millrace/mqtt.h"

static const uint8_t *incoming;
static size_t left;
static uint8_t piece;

static int stream_open(void *context) {
  (void)context;
  return 1;
}

static int stream_send(void *context, const uint8_t *bytes, uint16_t length) {
  (void)context, (void)bytes;
  return length;
}

static int stream_receive(void *context, uint8_t *bytes, uint16_t length) {
  size_t taken = left < length ? left : length;
  (void)context;
  if (taken > piece) taken = piece;
  memcpy(bytes, incoming, taken);
  incoming += taken;
  left -= taken;
  return (int)taken;
}

static void stream_close(void *context) { (void)context; }

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  static const struct millrace_session_options options = {"fuzz", "fuzz", NULL, "s", "w", 60};
  static const struct millrace_stream stream = {NULL, stream_open, stream_send, stream_receive, stream_close};
  uint8_t transmit[256], receive[64];
  struct millrace_mqtt mqtt;
  struct millrace_event event;
  uint16_t packet_id;
  struct millrace_message message = {"t", (const uint8_t *)"x", 1, false};

  if (size < 2) return 0;
  piece = (uint8_t)(data[0] % 70 + 1);
  incoming = data + 2;
  left = size - 2;
  millrace_mqtt_init(&mqtt, stream, transmit, sizeof transmit, receive, (uint16_t)(8 + data[1] % 57));
  struct millrace_session session = millrace_mqtt_session(&mqtt);
  if (session.open(session.context, &options, 0) != 1) abort();
  for (uint32_t now = 0; now < 2000000; now += 1000) {
    int outcome = session.poll(session.context, now, &event);
    if (outcome < 0) break;
    if (outcome > 0 && event.kind == MILLRACE_CONNECTED && event.receive_maximum == 0) abort();
    if (outcome > 0) (void)session.publish(session.context, &message, &packet_id);
    if (outcome == 0 && left == 0) break;
  }
  session.close(session.context, true);
  return 0;
}
