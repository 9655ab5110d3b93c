#include "millrace/mqtt.h"

#include <string.h>

#include "millrace/mqtt_packet.h"

void millrace_mqtt_init(struct millrace_mqtt *mqtt, struct millrace_stream stream, uint8_t *transmit,
                        uint16_t transmit_size, uint8_t *receive, uint16_t receive_size) {
  memset(mqtt, 0, sizeof *mqtt);
  mqtt->stream = stream;
  mqtt->transmit = transmit;
  mqtt->transmit_size = transmit_size;
  mqtt->receive = receive;
  mqtt->receive_size = receive_size;
  mqtt->next_packet_id = 1;
}

static int open_session(void *context, const struct millrace_session_options *options, uint32_t now_ms) {
  struct millrace_mqtt *mqtt = context;
  mqtt->transmit_length =
      millrace_packet_connect(mqtt->transmit, mqtt->transmit_size, options, mqtt->receive_size);
  if (mqtt->transmit_length == 0) return -1;
  mqtt->receive_length = 0;
  mqtt->receive_at = 0;
  mqtt->skip = 0;
  mqtt->keep_alive_s = options->keep_alive_s;
  mqtt->pinged = false;
  mqtt->sent_ms = now_ms;
  mqtt->now_ms = now_ms;
  mqtt->state = MILLRACE_MQTT_OPENING;
  return 1;
}

/* Gives the stream what waits. < 0: gone. */
static int flush(struct millrace_mqtt *mqtt) {
  int sent;
  if (mqtt->transmit_length == 0) return 0;
  sent = mqtt->stream.send(mqtt->stream.context, mqtt->transmit, mqtt->transmit_length);
  if (sent <= 0) return sent;
  mqtt->transmit_length = (uint16_t)(mqtt->transmit_length - sent);
  memmove(mqtt->transmit, mqtt->transmit + sent, mqtt->transmit_length);
  mqtt->sent_ms = mqtt->now_ms;
  return 1;
}

static int publish(void *context, const struct millrace_message *message, uint16_t *packet_id) {
  struct millrace_mqtt *mqtt = context;
  uint16_t length;

  if (mqtt->state != MILLRACE_MQTT_READY) return -1;
  length = millrace_packet_publish(mqtt->transmit + mqtt->transmit_length,
                                   (uint16_t)(mqtt->transmit_size - mqtt->transmit_length), message,
                                   mqtt->next_packet_id);
  if (length == 0) return 0;
  mqtt->transmit_length = (uint16_t)(mqtt->transmit_length + length);
  *packet_id = mqtt->next_packet_id;
  /* 0 is not a packet ID. In-flight windows are far below 65535, so an ID is free again when it comes round. */
  mqtt->next_packet_id = mqtt->next_packet_id == UINT16_MAX ? 1 : (uint16_t)(mqtt->next_packet_id + 1);
  return 1;
}

/* Looks at one complete packet. > 0 it is an event, 0 it is not, < 0 the session is over. */
static int handle(struct millrace_mqtt *mqtt, const struct millrace_packet *packet, struct millrace_event *event) {
  switch (packet->type) {
    case MILLRACE_CONNACK:
      if (mqtt->state != MILLRACE_MQTT_WAITING) return -1;
      if (millrace_packet_connack(packet, event, &mqtt->keep_alive_s) != MILLRACE_OK || event->reason >= 0x80) return -1;
      mqtt->state = MILLRACE_MQTT_READY;
      return 1;
    case MILLRACE_PUBACK:
      return mqtt->state == MILLRACE_MQTT_READY && millrace_packet_puback(packet, event) == MILLRACE_OK ? 1 : -1;
    case MILLRACE_PINGRESP:
      mqtt->pinged = false;
      return 0;
    case MILLRACE_DISCONNECT:
      return -1;
    default:
      /* Nothing was subscribed to, so nothing else should come; ignoring it costs nothing. */
      return 0;
  }
}

/* Takes packets out of the receive buffer until one is an event. */
static int next_event(struct millrace_mqtt *mqtt, struct millrace_event *event) {
  struct millrace_packet packet;
  int outcome = 0;

  while (outcome == 0) {
    uint16_t left = (uint16_t)(mqtt->receive_length - mqtt->receive_at);
    if (mqtt->skip > 0) {
      uint16_t skipped = mqtt->skip < left ? (uint16_t)mqtt->skip : left;
      mqtt->skip -= skipped;
      mqtt->receive_at = (uint16_t)(mqtt->receive_at + skipped);
      if (mqtt->skip > 0) return 0;
      left = (uint16_t)(left - skipped);
    }
    switch (millrace_packet_read(mqtt->receive + mqtt->receive_at, left, &packet)) {
      case MILLRACE_AGAIN:
        return 0;
      case MILLRACE_OK:
        break;
      default:
        return -1;
    }
    if (packet.length > mqtt->receive_size) {
      /* Larger than announced, so nothing this client asked for. */
      mqtt->skip = packet.length;
      continue;
    }
    if (packet.length > left) return 0;
    mqtt->receive_at = (uint16_t)(mqtt->receive_at + packet.length);
    outcome = handle(mqtt, &packet, event);
  }
  return outcome;
}

static int receive(struct millrace_mqtt *mqtt) {
  int received;
  if (mqtt->receive_at > 0) {
    mqtt->receive_length = (uint16_t)(mqtt->receive_length - mqtt->receive_at);
    memmove(mqtt->receive, mqtt->receive + mqtt->receive_at, mqtt->receive_length);
    mqtt->receive_at = 0;
  }
  received = mqtt->stream.receive(mqtt->stream.context, mqtt->receive + mqtt->receive_length,
                                  (uint16_t)(mqtt->receive_size - mqtt->receive_length));
  if (received > 0) mqtt->receive_length = (uint16_t)(mqtt->receive_length + received);
  return received;
}

/* Puts a packet without a body in the transmit buffer. False: there is no room. */
static bool add_bare(struct millrace_mqtt *mqtt, enum millrace_packet_type type) {
  uint16_t length = millrace_packet_bare(mqtt->transmit + mqtt->transmit_length,
                                         (uint16_t)(mqtt->transmit_size - mqtt->transmit_length), type);
  mqtt->transmit_length = (uint16_t)(mqtt->transmit_length + length);
  return length > 0;
}

/* Pings when nothing was sent for the keep-alive time, and gives up half of it later. */
static int keep_alive(struct millrace_mqtt *mqtt) {
  uint32_t period = (uint32_t)mqtt->keep_alive_s * 1000;
  if (period == 0) return 0;
  if (mqtt->pinged) return mqtt->now_ms - mqtt->pinged_ms > period / 2 ? -1 : 0;
  if (mqtt->now_ms - mqtt->sent_ms < period) return 0;
  if (add_bare(mqtt, MILLRACE_PINGREQ)) {
    mqtt->pinged = true;
    mqtt->pinged_ms = mqtt->now_ms;
  }
  return 0;
}

static int poll(void *context, uint32_t now_ms, struct millrace_event *event) {
  struct millrace_mqtt *mqtt = context;
  int outcome;

  mqtt->now_ms = now_ms;
  if (mqtt->state == MILLRACE_MQTT_CLOSED) return -1;
  if (mqtt->state == MILLRACE_MQTT_OPENING) {
    outcome = mqtt->stream.open(mqtt->stream.context);
    if (outcome <= 0) return outcome;
    mqtt->state = MILLRACE_MQTT_WAITING;
  }
  if (mqtt->state == MILLRACE_MQTT_READY && keep_alive(mqtt) < 0) return -1;
  if (flush(mqtt) < 0) return -1;
  do {
    outcome = next_event(mqtt, event);
    if (outcome != 0) return outcome;
    outcome = receive(mqtt);
  } while (outcome > 0);
  return outcome;
}

static void close_session(void *context, bool graceful) {
  struct millrace_mqtt *mqtt = context;
  if (mqtt->state == MILLRACE_MQTT_CLOSED) return;
  if (graceful && mqtt->state == MILLRACE_MQTT_READY) {
    (void)add_bare(mqtt, MILLRACE_DISCONNECT);
    /* One attempt: what is not sent now makes the broker send the will, which is true as well. */
    (void)flush(mqtt);
  }
  mqtt->stream.close(mqtt->stream.context);
  mqtt->transmit_length = 0;
  mqtt->state = MILLRACE_MQTT_CLOSED;
}

struct millrace_session millrace_mqtt_session(struct millrace_mqtt *mqtt) {
  struct millrace_session session = {mqtt, open_session, publish, poll, close_session};
  return session;
}
