/* The publishing half of MQTT 5 over a byte stream: CONNECT with a will, PUBLISH at QoS 1, PUBACK, PINGREQ, DISCONNECT.
 * It does not subscribe. Packets are built whole in the caller's transmit buffer or not at all. */
#ifndef MILLRACE_MQTT_H
#define MILLRACE_MQTT_H

#include <stdbool.h>
#include <stdint.h>

#include "millrace/session.h"
#include "millrace/stream.h"

enum millrace_mqtt_state { MILLRACE_MQTT_CLOSED, MILLRACE_MQTT_OPENING, MILLRACE_MQTT_WAITING, MILLRACE_MQTT_READY };

struct millrace_mqtt {
  struct millrace_stream stream;
  uint8_t *transmit;
  uint16_t transmit_size;
  uint16_t transmit_length; /* bytes not yet taken by the stream */
  uint8_t *receive;
  uint16_t receive_size;
  uint16_t receive_length; /* bytes of an incomplete packet, or of packets not yet looked at */
  uint16_t receive_at;     /* where the next packet begins */
  uint32_t skip;           /* bytes left of a packet that is too large to look at */
  enum millrace_mqtt_state state;
  uint16_t next_packet_id;
  uint16_t keep_alive_s;
  bool pinged;
  uint32_t sent_ms; /* when something was last sent */
  uint32_t pinged_ms;
  uint32_t now_ms;
};

/* Caller's memory: transmit holds at least the CONNECT packet and a whole PUBLISH, receive at least 64 bytes.
 * receive_size is announced to the broker as the largest packet it may send. */
void millrace_mqtt_init(struct millrace_mqtt *mqtt, struct millrace_stream stream, uint8_t *transmit,
                        uint16_t transmit_size, uint8_t *receive, uint16_t receive_size);

struct millrace_session millrace_mqtt_session(struct millrace_mqtt *mqtt);

#endif
