#define _GNU_SOURCE
#include "mosquitto_session.h"

#include <errno.h>
#include <mosquitto.h>
#include <mqtt_protocol.h>
#include <stdio.h>
#include <string.h>

void millrace_mosquitto_global_init(void) { mosquitto_lib_init(); }

void millrace_mosquitto_init(struct millrace_mosquitto *mosquitto, const struct millrace_broker *broker) {
  memset(mosquitto, 0, sizeof *mosquitto);
  mosquitto->broker = *broker;
}

static void push(struct millrace_mosquitto *mosquitto, const struct millrace_event *event) {
  /* One event for each message in flight and one for the connection: more cannot be, unless the broker errs. */
  if (mosquitto->count == MILLRACE_MOSQUITTO_EVENTS) {
    snprintf(mosquitto->trouble, sizeof mosquitto->trouble, "the broker acknowledged more than was sent");
    mosquitto->lost = true;
    return;
  }
  mosquitto->events[(mosquitto->first + mosquitto->count++) % MILLRACE_MOSQUITTO_EVENTS] = *event;
}

/* Notes why the connection is gone; what was noted first since it was opened is the cause. */
static void lose(struct millrace_mosquitto *mosquitto, const char *what, const char *why) {
  if (!mosquitto->lost) snprintf(mosquitto->trouble, sizeof mosquitto->trouble, "%s%s", what, why);
  mosquitto->lost = true;
}

/* What libmosquitto says of an error, or the system in its place. */
static const char *error_text(int error) { return error == MOSQ_ERR_ERRNO ? strerror(errno) : mosquitto_strerror(error); }

static void on_connect(struct mosquitto *client, void *context, int reason, int flags, const mosquitto_property *properties) {
  struct millrace_mosquitto *mosquitto = context;
  struct millrace_event event = {MILLRACE_CONNECTED, 0, (uint8_t)reason, UINT16_MAX};
  (void)client, (void)flags;
  if (reason != 0) {
    lose(mosquitto, "the broker refused the connection: ", mosquitto_reason_string(reason));
    return;
  }
  (void)mosquitto_property_read_int16(properties, MQTT_PROP_RECEIVE_MAXIMUM, &event.receive_maximum, false);
  push(mosquitto, &event);
}

static void on_publish(struct mosquitto *client, void *context, int mid, int reason, const mosquitto_property *properties) {
  struct millrace_event event = {MILLRACE_ACKNOWLEDGED, (uint16_t)mid, (uint8_t)reason, 0};
  (void)client, (void)properties;
  push(context, &event);
}

static void on_disconnect(struct mosquitto *client, void *context, int reason, const mosquitto_property *properties) {
  (void)client, (void)properties;
  /* libmosquitto gives errors of its own in the place of the broker's reason. */
  lose(context, "", reason >= 0x80 ? mosquitto_reason_string(reason) : mosquitto_strerror(reason));
}

static int configure(struct millrace_mosquitto *mosquitto, const struct millrace_session_options *options) {
  struct mosquitto *client = mosquitto->client;
  const struct millrace_broker *broker = &mosquitto->broker;

  mosquitto_connect_v5_callback_set(client, on_connect);
  mosquitto_publish_v5_callback_set(client, on_publish);
  mosquitto_disconnect_v5_callback_set(client, on_disconnect);
  if (mosquitto_int_option(client, MOSQ_OPT_PROTOCOL_VERSION, MQTT_PROTOCOL_V5) != MOSQ_ERR_SUCCESS) return -1;
  /* Frames leave as they are: nothing to gain from waiting for more. */
  if (mosquitto_int_option(client, MOSQ_OPT_TCP_NODELAY, 1) != MOSQ_ERR_SUCCESS) return -1;
  if (mosquitto_will_set_v5(client, options->will_topic, (int)strlen(options->will), options->will, 1, true, NULL) !=
      MOSQ_ERR_SUCCESS)
    return -1;
  if (options->username != NULL && mosquitto_username_pw_set(client, options->username, options->password) != MOSQ_ERR_SUCCESS)
    return -1;
  if (broker->ca_file != NULL &&
      mosquitto_tls_set(client, broker->ca_file, NULL, broker->certificate, broker->key, NULL) != MOSQ_ERR_SUCCESS)
    return -1;
  return 0;
}

static void close_session(void *context, bool graceful) {
  struct millrace_mosquitto *mosquitto = context;
  if (mosquitto->client == NULL) return;
  if (graceful && !mosquitto->lost) {
    mosquitto_disconnect(mosquitto->client);
    /* DISCONNECT, and what was queued before it, leaves in this turn. */
    (void)mosquitto_loop(mosquitto->client, 0, 1);
  }
  /* libmosquitto queues and resends by itself; a new client has nothing to resend, so the publisher alone decides. */
  mosquitto_destroy(mosquitto->client);
  mosquitto->client = NULL;
  mosquitto->count = 0;
}

static int open_session(void *context, const struct millrace_session_options *options, uint32_t now_ms) {
  struct millrace_mosquitto *mosquitto = context;
  int error;
  (void)now_ms;
  close_session(mosquitto, false);
  mosquitto->lost = false;
  mosquitto->first = 0;
  mosquitto->count = 0;
  mosquitto->client = mosquitto_new(options->client_id, true, mosquitto);
  if (mosquitto->client == NULL || configure(mosquitto, options) != 0) {
    lose(mosquitto, "", "the TLS files, the username or the memory will not do");
    return -1;
  }
  error = mosquitto_connect_async(mosquitto->client, mosquitto->broker.host, mosquitto->broker.port, options->keep_alive_s);
  if (error == MOSQ_ERR_SUCCESS) return 1;
  lose(mosquitto, "", error_text(error));
  return -1;
}

static int publish(void *context, const struct millrace_message *message, uint16_t *packet_id) {
  struct millrace_mosquitto *mosquitto = context;
  int mid = 0;
  if (mosquitto->client == NULL || mosquitto->lost) return -1;
  if (mosquitto_publish_v5(mosquitto->client, &mid, message->topic, message->length, message->payload, 1,
                           message->retain, NULL) != MOSQ_ERR_SUCCESS)
    return -1;
  *packet_id = (uint16_t)mid;
  return 1;
}

static int poll_session(void *context, uint32_t now_ms, struct millrace_event *event) {
  struct millrace_mosquitto *mosquitto = context;
  (void)now_ms;
  if (mosquitto->client == NULL) return -1;
  if (mosquitto->count == 0) {
    int error = mosquitto_loop(mosquitto->client, 0, 1);
    if (error != MOSQ_ERR_SUCCESS) lose(mosquitto, "", error_text(error));
  }
  if (mosquitto->count > 0) {
    *event = mosquitto->events[mosquitto->first];
    mosquitto->first = (mosquitto->first + 1) % MILLRACE_MOSQUITTO_EVENTS;
    mosquitto->count--;
    return 1;
  }
  return mosquitto->lost ? -1 : 0;
}

struct millrace_session millrace_mosquitto_session(struct millrace_mosquitto *mosquitto) {
  struct millrace_session session = {mosquitto, open_session, publish, poll_session, close_session};
  return session;
}

int millrace_mosquitto_socket(const struct millrace_mosquitto *mosquitto, bool *want_write) {
  *want_write = false;
  if (mosquitto->client == NULL) return -1;
  *want_write = mosquitto_want_write(mosquitto->client);
  return mosquitto_socket(mosquitto->client);
}

const char *millrace_mosquitto_trouble(const struct millrace_mosquitto *mosquitto) { return mosquitto->trouble; }

const char *millrace_mosquitto_reason(uint8_t reason) { return mosquitto_reason_string(reason); }

void millrace_mosquitto_end(struct millrace_mosquitto *mosquitto) { close_session(mosquitto, false); }
