/* Session over libmosquitto: one device on Linux or another POSIX system, with or without TLS. */
#ifndef MILLRACE_POSIX_MOSQUITTO_SESSION_H
#define MILLRACE_POSIX_MOSQUITTO_SESSION_H

#include <stdbool.h>
#include <stdint.h>

#include "millrace/session.h"

struct mosquitto;

/* Where the broker is and how to trust it. The strings must outlive the session. */
struct millrace_broker {
  const char *host;
  int port;
  const char *ca_file;     /* PEM; NULL: no TLS */
  const char *certificate; /* of the device, PEM; NULL: none */
  const char *key;         /* of the certificate, PEM */
};

#define MILLRACE_MOSQUITTO_EVENTS 64

struct millrace_mosquitto {
  struct millrace_broker broker;
  struct mosquitto *client;
  bool lost;
  char trouble[160];
  unsigned first; /* event to give next */
  unsigned count;
  struct millrace_event events[MILLRACE_MOSQUITTO_EVENTS];
};

/* Call once in a process, before anything else here. */
void millrace_mosquitto_global_init(void);

void millrace_mosquitto_init(struct millrace_mosquitto *mosquitto, const struct millrace_broker *broker);

/* The session as a port. At most MILLRACE_MOSQUITTO_EVENTS messages may be in flight. */
struct millrace_session millrace_mosquitto_session(struct millrace_mosquitto *mosquitto);

/* The socket to wait on; -1: not connected. want_write: there is something to send. */
int millrace_mosquitto_socket(const struct millrace_mosquitto *mosquitto, bool *want_write);

/* Why there is no connection, or why the last one ended, in words: "Connection refused". Empty: nothing went wrong yet. */
const char *millrace_mosquitto_trouble(const struct millrace_mosquitto *mosquitto);

/* An MQTT 5 reason code in words. */
const char *millrace_mosquitto_reason(uint8_t reason);

/* Frees what libmosquitto allocated. */
void millrace_mosquitto_end(struct millrace_mosquitto *mosquitto);

#endif
