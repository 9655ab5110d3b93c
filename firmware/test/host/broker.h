/* A real Mosquitto of the test's own, and a client that listens to it. */
#ifndef BROKER_H
#define BROKER_H

#include <stdbool.h>
#include <stdint.h>

/* Starts it on a free loopback port with anonymous access, except that nobody may publish to forbidden/#.
 * The port; 0: it could not be started. */
int broker_start(void);
void broker_stop(void);

/* Its port with TLS, and the certificate that signed its own, for localhost: a PEM file. */
int broker_tls_port(void);
const char *broker_ca_file(void);

/* Stops and continues its process: a network that is up but silent. */
void broker_freeze(bool frozen);

/* Subscribes to everything in a topic filter and forgets what was received. */
void listener_start(int port, const char *filter);
void listener_stop(void);

/* Waits up to ten seconds for a message with this topic and payload. */
bool listener_waits_for(const char *topic, const char *payload);

/* Messages received so far. */
int listener_count(void);

#endif
