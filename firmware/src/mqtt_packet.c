#include "millrace/mqtt_packet.h"

#include <string.h>

#include "millrace/varint.h"

/* Fixed header bytes: type and flags. */
#define CONNECT 0x10
#define PUBLISH_QOS1 0x32

/* CONNECT flags. */
#define CLEAN_START 0x02
#define WILL_QOS1_RETAINED 0x2C
#define HAS_PASSWORD 0x40
#define HAS_USERNAME 0x80

/* Properties of CONNECT and CONNACK. */
#define SERVER_KEEP_ALIVE 0x13
#define RECEIVE_MAXIMUM 0x21
#define MAXIMUM_PACKET_SIZE 0x27

static uint8_t *write_16(uint8_t *out, uint16_t value) {
  out[0] = (uint8_t)(value >> 8);
  out[1] = (uint8_t)value;
  return out + 2;
}

static uint8_t *write_bytes(uint8_t *out, const void *bytes, uint16_t length) {
  memcpy(out, bytes, length);
  return out + length;
}

/* A string or binary datum: two bytes of length, then its bytes. NULL: nothing. */
static uint8_t *write_text(uint8_t *out, const char *text) {
  uint16_t length;
  if (text == NULL) return out;
  length = (uint16_t)strlen(text);
  return write_bytes(write_16(out, length), text, length);
}

static uint32_t text_length(const char *text) { return text == NULL ? 0 : 2 + (uint32_t)strlen(text); }

/* Type and remaining length, which MQTT writes as Avro does. NULL: the packet is longer than size. */
static uint8_t *write_header(uint8_t *out, uint16_t size, uint8_t type, uint32_t remaining) {
  if (1 + millrace_varint_length(remaining) + remaining > size) return NULL;
  *out++ = type;
  return out + millrace_varint_write(out, remaining);
}

uint16_t millrace_packet_connect(uint8_t *out, uint16_t size, const struct millrace_session_options *options,
                                 uint16_t maximum_packet_size) {
  /* In the order of the packet; after the first come the will's properties, which are none. */
  const char *const texts[] = {options->client_id, options->will_topic, options->will, options->username,
                               options->password};
  uint8_t flags = CLEAN_START | WILL_QOS1_RETAINED;
  /* Protocol name and version, flags, keep alive; 5 bytes of properties and their length; the will's empty ones. */
  uint32_t remaining = 10 + 6 + 1;
  uint8_t *end;

  for (unsigned i = 0; i < sizeof texts / sizeof texts[0]; i++) remaining += text_length(texts[i]);
  end = write_header(out, size, CONNECT, remaining);
  if (end == NULL) return 0;
  if (options->username != NULL) flags |= HAS_USERNAME;
  if (options->password != NULL) flags |= HAS_PASSWORD;

  end = write_text(end, "MQTT");
  *end++ = 5;
  *end++ = flags;
  end = write_16(end, options->keep_alive_s);
  *end++ = 5;
  /* A number of four bytes, of which sizes here fill two. */
  *end++ = MAXIMUM_PACKET_SIZE;
  end = write_16(end, 0);
  end = write_16(end, maximum_packet_size);
  for (unsigned i = 0; i < sizeof texts / sizeof texts[0]; i++) {
    end = write_text(end, texts[i]);
    if (i == 0) *end++ = 0;
  }
  return (uint16_t)(end - out);
}

uint16_t millrace_packet_publish(uint8_t *out, uint16_t size, const struct millrace_message *message,
                                 uint16_t packet_id) {
  uint32_t remaining = text_length(message->topic) + 2 + 1 + message->length;
  uint8_t *end = write_header(out, size, (uint8_t)(PUBLISH_QOS1 | (message->retain ? 1 : 0)), remaining);
  if (end == NULL) return 0;
  end = write_text(end, message->topic);
  end = write_16(end, packet_id);
  *end++ = 0;
  end = write_bytes(end, message->payload, message->length);
  return (uint16_t)(end - out);
}

uint16_t millrace_packet_bare(uint8_t *out, uint16_t size, enum millrace_packet_type type) {
  if (size < 2) return 0;
  out[0] = (uint8_t)(type << 4);
  out[1] = 0;
  return 2;
}

/* A variable byte integer: at most four bytes. Bytes taken; 0: cut off, or longer than four. */
static uint8_t read_variable(const uint8_t *bytes, uint32_t length, uint32_t *value) {
  uint32_t sum = 0;
  for (unsigned i = 0; i < 4 && i < length; i++) {
    sum |= (uint32_t)(bytes[i] & 0x7F) << (7 * i);
    if ((bytes[i] & 0x80) == 0) {
      *value = sum;
      return (uint8_t)(i + 1);
    }
  }
  return 0;
}

enum millrace_status millrace_packet_read(const uint8_t *bytes, uint16_t length, struct millrace_packet *packet) {
  uint8_t taken;

  if (length < 2) return MILLRACE_AGAIN;
  taken = read_variable(bytes + 1, (uint32_t)length - 1, &packet->body_length);
  if (taken == 0) return length < 5 ? MILLRACE_AGAIN : MILLRACE_CORRUPT;
  packet->type = bytes[0] >> 4;
  packet->body = bytes + 1 + taken;
  packet->length = 1u + taken + packet->body_length;
  return MILLRACE_OK;
}

static uint16_t read_16(const uint8_t *bytes) { return (uint16_t)(bytes[0] << 8 | bytes[1]); }

/* Bytes of the value of property 0x11 and those after it (MQTT 5.0, table 2-4): a number, STRING with a length of its own,
 * PAIR of two strings, or 0: unknown. */
#define FIRST_PROPERTY 0x11
#define STRING 5
#define PAIR 6
static const uint8_t property_kinds[] = {4, STRING, 2, 0, STRING, STRING, 0, 0, 0, STRING, 0, STRING, 0,
                                         0, STRING, 0, 2, 2, 0, 1, 1, PAIR, 4, 1, 1, 1};

/* Bytes of a property's value, 0 when it is unknown or cut off. */
static uint32_t property_length(uint8_t identifier, const uint8_t *value, uint32_t left) {
  uint8_t index = (uint8_t)(identifier - FIRST_PROPERTY);
  uint32_t length = index < sizeof property_kinds ? property_kinds[index] : 0;

  if (length >= STRING) {
    uint8_t strings = length == PAIR ? 2 : 1;
    for (length = 0; strings > 0; strings--) {
      if (left < length + 2) return 0;
      length += 2u + read_16(value + length);
    }
  }
  return length <= left ? length : 0;
}

enum millrace_status millrace_packet_connack(const struct millrace_packet *packet, struct millrace_event *event,
                                             uint16_t *keep_alive_s) {
  const uint8_t *at;
  uint32_t left;
  uint8_t taken;

  if (packet->body_length < 3) return MILLRACE_CORRUPT;
  event->kind = MILLRACE_CONNECTED;
  event->reason = packet->body[1];
  event->receive_maximum = UINT16_MAX;
  taken = read_variable(packet->body + 2, packet->body_length - 2, &left);
  if (taken == 0 || left != packet->body_length - 2 - taken) return MILLRACE_CORRUPT;
  at = packet->body + 2 + taken;
  while (left > 0) {
    uint8_t identifier = *at++;
    uint32_t length = property_length(identifier, at, --left);
    if (length == 0) return MILLRACE_CORRUPT;
    if (identifier == RECEIVE_MAXIMUM) event->receive_maximum = read_16(at);
    if (identifier == SERVER_KEEP_ALIVE) *keep_alive_s = read_16(at);
    at += length;
    left -= length;
  }
  return event->receive_maximum == 0 ? MILLRACE_CORRUPT : MILLRACE_OK;
}

enum millrace_status millrace_packet_puback(const struct millrace_packet *packet, struct millrace_event *event) {
  if (packet->body_length < 2) return MILLRACE_CORRUPT;
  event->kind = MILLRACE_ACKNOWLEDGED;
  event->packet_id = read_16(packet->body);
  /* A PUBACK of two bytes means success; a third is the reason. */
  event->reason = packet->body_length > 2 ? packet->body[2] : 0;
  return MILLRACE_OK;
}
