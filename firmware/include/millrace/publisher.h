/* Publisher: frames from a store to the broker, over any session.
 *
 *   STOPPED ──start──▶ WAITING ──wait is over──▶ CONNECTING ──CONNACK──▶ READY
 *                         ▲                          │ refused, lost,       │ lost, no PUBACK
 *                         └──── random wait ◀────────┴── or no CONNACK ◀────┘ in time
 *
 * READY: the birth first, then frames that were sent before without an acknowledgement, in their order and with the same
 * bytes, then frames from the store. A frame is released only on a good PUBACK: below 0x80, and not 0x10, which says that
 * nobody is subscribed. After a bad one nothing new is sent for a random wait, then the frame is sent again.
 * The wait is full jitter: random(0, min(max, min * 2^attempts)); attempts counts since the last good PUBACK. */
#ifndef MILLRACE_PUBLISHER_H
#define MILLRACE_PUBLISHER_H

#include <stdbool.h>
#include <stdint.h>

#include "millrace/clock.h"
#include "millrace/identity.h"
#include "millrace/session.h"
#include "millrace/store.h"

enum millrace_publisher_state {
  MILLRACE_PUBLISHER_STOPPED,
  MILLRACE_PUBLISHER_WAITING,
  MILLRACE_PUBLISHER_CONNECTING,
  MILLRACE_PUBLISHER_READY
};

/* A frame between its first send and its release. */
struct millrace_in_flight {
  uint32_t handle;
  uint32_t sent_ms;
  uint16_t packet_id;
  bool sent;  /* on this connection */
  bool fixed; /* sent on any connection: its bytes must not change any more */
};

/* Told of a frame's way. Either may be NULL. */
struct millrace_observer {
  void (*published)(void *context, uint32_t handle); /* each time it is handed to the session */
  void (*acknowledged)(void *context, uint32_t handle, uint8_t reason);
  void *context;
};

struct millrace_publisher_config {
  struct millrace_session session;
  struct millrace_store store;
  const struct millrace_identity *identity; /* must outlive the publisher */
  const char *password;                     /* NULL: none. The username is the device ID */
  struct millrace_in_flight *in_flight;     /* caller's memory */
  uint16_t in_flight_size;                  /* frames that may wait for a PUBACK at once */
  bool live_first;                          /* after a reconnection, new frames before those that were waiting */
  uint32_t seed;                            /* of the random waits: different on every device */
  uint32_t reconnect_min_ms;
  uint32_t reconnect_max_ms;
  struct millrace_observer observer;
  struct millrace_clock *clock; /* corrects frames of this boot that were sealed before the time was known; NULL: never */
  int32_t boot;
};

struct millrace_publisher {
  struct millrace_publisher_config config;
  enum millrace_publisher_state state;
  uint32_t since_ms; /* when the state was entered */
  uint32_t wait_ms;
  uint32_t hold_ms; /* after a bad PUBACK: nothing is sent for this long */
  uint32_t held_ms; /* since when */
  uint32_t random;
  uint8_t attempts;
  uint8_t refusals;
  bool birth_due;
  bool birth_unacknowledged;
  uint16_t birth_packet_id;
  uint16_t window; /* frames that may be in flight on this connection */
  uint16_t in_flight;
  uint32_t connections; /* sessions that the broker accepted */
  uint32_t refused;     /* bad PUBACKs */
  uint32_t resent;      /* frames handed to a session again */
  uint32_t unreadable;  /* frames that the store could not give back */
};

/* OK; BAD_ARGUMENT: no in-flight memory, or reconnect_min_ms is 0 or above reconnect_max_ms. */
enum millrace_status millrace_publisher_init(struct millrace_publisher *publisher,
                                             const struct millrace_publisher_config *config);

/* Connects at the next poll: at once, or after a random wait below spread_ms so that a fleet does not come as one. */
void millrace_publisher_start(struct millrace_publisher *publisher, uint32_t now_ms, uint32_t spread_ms);

/* Moves on: call it when bytes arrived, when a frame was put in the store, and every second or so. */
void millrace_publisher_poll(struct millrace_publisher *publisher, uint32_t now_ms);

/* Says farewell and closes. Frames in flight stay in the store as taken: start sends them again. */
void millrace_publisher_stop(struct millrace_publisher *publisher);

#endif
