/* MQTT 5 packets that the client writes and reads (OASIS MQTT 5.0, sections 2 and 3). */
#ifndef MILLRACE_MQTT_PACKET_H
#define MILLRACE_MQTT_PACKET_H

#include <stdint.h>

#include "millrace/session.h"
#include "millrace/status.h"

enum millrace_packet_type {
  MILLRACE_CONNACK = 2,
  MILLRACE_PUBACK = 4,
  MILLRACE_PINGREQ = 12,
  MILLRACE_PINGRESP = 13,
  MILLRACE_DISCONNECT = 14
};

struct millrace_packet {
  uint8_t type;
  const uint8_t *body;
  uint32_t body_length;
  uint32_t length; /* of the whole packet */
};

/* Each writes a packet to out and returns its length, 0 when it is longer than size. */
uint16_t millrace_packet_connect(uint8_t *out, uint16_t size, const struct millrace_session_options *options,
                                 uint16_t maximum_packet_size);
uint16_t millrace_packet_publish(uint8_t *out, uint16_t size, const struct millrace_message *message,
                                 uint16_t packet_id);
uint16_t millrace_packet_bare(uint8_t *out, uint16_t size, enum millrace_packet_type type); /* PINGREQ or DISCONNECT */

/* Finds the packet at the start of bytes. OK; AGAIN: its fixed header is not complete; CORRUPT: not a packet. The body may
 * still be cut off: compare length. */
enum millrace_status millrace_packet_read(const uint8_t *bytes, uint16_t length, struct millrace_packet *packet);

/* Read the body of a complete CONNACK or PUBACK into an event; keep_alive_s changes when the broker says so.
 * OK; CORRUPT. */
enum millrace_status millrace_packet_connack(const struct millrace_packet *packet, struct millrace_event *event,
                                             uint16_t *keep_alive_s);
enum millrace_status millrace_packet_puback(const struct millrace_packet *packet, struct millrace_event *event);

#endif
