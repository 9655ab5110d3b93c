/* An MQTT 5 client as the publisher sees it: a port. Implementations: mqtt.h (the library's own, over any byte stream),
 * libmosquitto (ports/posix) and esp-mqtt (ports/esp-idf). */
#ifndef MILLRACE_SESSION_H
#define MILLRACE_SESSION_H

#include <stdbool.h>
#include <stdint.h>

/* What a session is opened with. The strings stay the caller's and must outlive the session. */
struct millrace_session_options {
  const char *client_id;
  const char *username; /* NULL: none */
  const char *password; /* NULL: none */
  const char *will_topic;
  const char *will; /* payload, retained, QoS 1 */
  uint16_t keep_alive_s;
};

struct millrace_message {
  const char *topic;
  const uint8_t *payload;
  uint16_t length;
  bool retain;
};

enum millrace_event_kind {
  MILLRACE_CONNECTED,   /* the broker accepted the session */
  MILLRACE_ACKNOWLEDGED /* PUBACK for packet_id, with its reason */
};

struct millrace_event {
  enum millrace_event_kind kind;
  uint16_t packet_id;
  uint8_t reason;           /* MQTT 5 reason code */
  uint16_t receive_maximum; /* CONNECTED: unacknowledged messages that the broker takes */
};

struct millrace_session {
  void *context;
  /* Begins to connect, with a clean start: unacknowledged frames are the publisher's to send again.
   * > 0 begun, 0 try again, < 0 broken. */
  int (*open)(void *context, const struct millrace_session_options *options, uint32_t now_ms);
  /* Sends one message with QoS 1. > 0 taken, with its packet ID; 0 no room, try again; < 0 the connection is gone. */
  int (*publish)(void *context, const struct millrace_message *message, uint16_t *packet_id);
  /* Moves bytes and time on. > 0 one event, call again; 0 nothing; < 0 refused, or the connection is gone. */
  int (*poll)(void *context, uint32_t now_ms, struct millrace_event *event);
  /* Closes. Graceful: tells the broker, which then does not send the will. */
  void (*close)(void *context, bool graceful);
};

#endif
