#include "millrace/mqtt.h"

#include <string.h>

#include "check.h"
#include "suites.h"

/* A stream in memory: what was sent, what is to be received, and how much goes through at once. */
static uint8_t sent[2048];
static uint16_t sent_length;
static uint8_t incoming[2048];
static uint16_t incoming_length, incoming_at;
static uint16_t send_limit, receive_limit;
static int open_answer, send_answer, receive_answer;
static int closed;

static struct millrace_mqtt mqtt;
static struct millrace_session session;
static uint8_t transmit[512];
static uint8_t receive_buffer[64];
static struct millrace_event event;

static int stream_open(void *context) {
  (void)context;
  return open_answer;
}

static int stream_send(void *context, const uint8_t *bytes, uint16_t length) {
  (void)context;
  if (send_answer != 0) return send_answer;
  uint16_t taken = length < send_limit ? length : send_limit;
  memcpy(sent + sent_length, bytes, taken);
  sent_length = (uint16_t)(sent_length + taken);
  return taken;
}

static int stream_receive(void *context, uint8_t *bytes, uint16_t length) {
  (void)context;
  if (receive_answer != 0) return receive_answer;
  uint16_t left = (uint16_t)(incoming_length - incoming_at);
  uint16_t taken = length < left ? length : left;
  if (taken > receive_limit) taken = receive_limit;
  memcpy(bytes, incoming + incoming_at, taken);
  incoming_at = (uint16_t)(incoming_at + taken);
  return taken;
}

static void stream_close(void *context) {
  (void)context;
  closed++;
}

static const struct millrace_stream stream = {NULL, stream_open, stream_send, stream_receive, stream_close};
static struct millrace_session_options options = {"hive", "hive", NULL, "s", "w", 60};

static void arrive(const void *bytes, uint16_t length) {
  memcpy(incoming + incoming_length, bytes, length);
  incoming_length = (uint16_t)(incoming_length + length);
}

static void begin(void) {
  sent_length = incoming_length = incoming_at = 0;
  send_limit = receive_limit = UINT16_MAX;
  open_answer = 1;
  send_answer = receive_answer = closed = 0;
  millrace_mqtt_init(&mqtt, stream, transmit, sizeof transmit, receive_buffer, sizeof receive_buffer);
  session = millrace_mqtt_session(&mqtt);
}

static const uint8_t connack[] = {0x20, 3, 0, 0, 0};

static void connect_now(void) {
  begin();
  CHECK_EQUAL(session.open(session.context, &options, 0), 1);
  arrive(connack, sizeof connack);
  CHECK_EQUAL(session.poll(session.context, 0, &event), 1);
  CHECK_EQUAL(event.kind, MILLRACE_CONNECTED);
  sent_length = 0;
}

static int poll_at(uint32_t now) { return session.poll(session.context, now, &event); }

static void connect_carries_the_will_and_the_limits(void) {
  static const uint8_t expected[] = {0x10, 34,  0,   4,   'M', 'Q', 'T', 'T', 5,   0xEE, 0,   60,  5,   0x27, 0, 0, 0, 64, 0, 4, 'h', 'i', 'v', 'e',
                                     0,    0,   1,   's', 0,   1,   'w', 0,   4,   'h',  'i', 'v', 'e', 0,    2, 'p', 'w'};
  begin();
  options.password = "pw";
  CHECK_EQUAL(session.open(session.context, &options, 0), 1);
  options.password = NULL;
  open_answer = 0;
  CHECK_EQUAL(poll_at(0), 0);
  CHECK_EQUAL(sent_length, 0);
  open_answer = 1;
  CHECK_EQUAL(poll_at(0), 0);
  CHECK_EQUAL(sent_length, sizeof expected);
  CHECK_EQUAL(sent[1], sizeof expected - 2);
  CHECK(memcmp(sent + 2, expected + 2, sizeof expected - 2) == 0);
}

static void the_brokers_limits_are_taken_from_connack(void) {
  /* Receive maximum 20, server keep alive 10, and one property of every other kind. */
  static const uint8_t rich[] = {0x20, 49, 0, 0, 46, 0x21, 0, 20, 0x13, 0, 10, 0x24, 1, 0x25, 1, 0x28, 1, 0x29, 1, 0x2A, 1, 0x22, 0, 10,
                                 0x11, 0, 0, 0, 0, 0x27, 0, 0, 1, 0, 0x1F, 0, 2, 'o', 'k', 0x26, 0, 1, 'a', 0, 1, 'b', 0x12, 0, 2, 'x', 'y'};
  begin();
  session.open(session.context, &options, 0);
  arrive(rich, sizeof rich);
  CHECK_EQUAL(rich[1] + 2, sizeof rich);
  CHECK_EQUAL(poll_at(0), 1);
  CHECK_EQUAL(event.receive_maximum, 20);
  CHECK_EQUAL(mqtt.keep_alive_s, 10);
}

static void a_connack_that_is_not_one_ends_the_session(void) {
  static const uint8_t bad[][8] = {{0x20, 3, 0, 0x87, 0},          {0x20, 2, 0, 0},                {0x20, 4, 0, 0, 3, 0},
                                   {0x20, 5, 0, 0, 2, 0x99, 0},    {0x20, 6, 0, 0, 3, 0x21, 0, 0}, {0x20, 5, 0, 0, 2, 0x21, 0},
                                   {0x20, 5, 0, 0, 2, 0x26, 0},    {0x20, 6, 0, 0, 3, 0x26, 0, 0}, {0x20, 6, 0, 0, 3, 0x1F, 0, 9},
                                   {0x20, 5, 0, 0, 2, 0x1F, 0},    {0x40, 2, 0, 1},                {0x20, 3, 0, 0, 0x80}};
  for (unsigned i = 0; i < sizeof bad / sizeof bad[0]; i++) {
    begin();
    session.open(session.context, &options, 0);
    arrive(bad[i], (uint16_t)(bad[i][1] + 2));
    CHECK_EQUAL(poll_at(0), -1);
  }
}

static void a_publish_is_the_bytes_of_the_specification(void) {
  static const uint8_t expected[] = {0x33, 8, 0, 1, 't', 0, 1, 0, 'h', 'i'};
  struct millrace_message message = {"t", (const uint8_t *)"hi", 2, true};
  uint16_t packet_id = 0;
  connect_now();
  CHECK_EQUAL(session.publish(session.context, &message, &packet_id), 1);
  CHECK_EQUAL(packet_id, 1);
  CHECK_EQUAL(poll_at(0), 0);
  CHECK_EQUAL(sent_length, sizeof expected);
  CHECK(memcmp(sent, expected, sizeof expected) == 0);
}

static void a_publish_is_taken_whole_or_not_at_all(void) {
  static uint8_t payload[280];
  struct millrace_message message = {"devices/hive/telemetry", payload, sizeof payload, false};
  uint16_t packet_id = 0;
  connect_now();
  send_limit = 100;
  CHECK_EQUAL(session.publish(session.context, &message, &packet_id), 1);
  CHECK_EQUAL(session.publish(session.context, &message, &packet_id), 0);
  uint16_t length = mqtt.transmit_length;
  for (int i = 0; i < 10 && mqtt.transmit_length > 0; i++) poll_at(0);
  CHECK_EQUAL(sent_length, length);
  CHECK_EQUAL(sent[1] & 0x80, 0x80); /* a remaining length of two bytes */
  CHECK_EQUAL(session.publish(session.context, &message, &packet_id), 1);
  CHECK_EQUAL(packet_id, 2);
}

static void packet_ids_skip_zero(void) {
  struct millrace_message message = {"t", (const uint8_t *)"", 0, false};
  uint16_t packet_id = 0;
  connect_now();
  mqtt.next_packet_id = UINT16_MAX;
  session.publish(session.context, &message, &packet_id);
  CHECK_EQUAL(packet_id, UINT16_MAX);
  session.publish(session.context, &message, &packet_id);
  CHECK_EQUAL(packet_id, 1);
}

static void acknowledgements_come_out_whatever_their_pieces(void) {
  /* PUBACKs of 2, 3 and 4 bytes; a PINGRESP, a PUBLISH and a packet too large to hold between them. */
  static const uint8_t packets[] = {0x40, 2, 0, 1, 0xD0, 0, 0x40, 3, 0, 2, 0x10, 0x30, 3, 0, 1, 'x', 0x40, 4, 0, 3, 0x87, 0};
  for (uint16_t piece = 1; piece < 40; piece++) {
    static uint8_t large[200] = {0x30, 0xC5, 0x01};
    connect_now();
    receive_limit = piece;
    arrive(packets, 11);
    arrive(large, sizeof large);
    arrive(packets + 11, sizeof packets - 11);
    uint8_t reasons[] = {0, 0x10, 0x87};
    for (uint16_t id = 1; id <= 3; id++) {
      CHECK_EQUAL(poll_at(0), 1);
      CHECK_EQUAL(event.kind, MILLRACE_ACKNOWLEDGED);
      CHECK_EQUAL(event.packet_id, id);
      CHECK_EQUAL(event.reason, reasons[id - 1]);
    }
    CHECK_EQUAL(poll_at(0), 0);
  }
}

static void what_is_no_packet_ends_the_session(void) {
  static const uint8_t bad[][6] = {{0x40, 0xFF, 0xFF, 0xFF, 0xFF, 0}, {0x40, 1, 0}, {0xE0, 0}, {0x20, 3, 0, 0, 0}};
  for (unsigned i = 0; i < sizeof bad / sizeof bad[0]; i++) {
    connect_now();
    arrive(bad[i], sizeof bad[i]);
    CHECK_EQUAL(poll_at(0), -1);
  }
}

static void a_quiet_session_is_kept_alive(void) {
  connect_now();
  CHECK_EQUAL(poll_at(59999), 0);
  CHECK_EQUAL(sent_length, 0);
  CHECK_EQUAL(poll_at(60000), 0);
  CHECK_EQUAL(sent_length, 2);
  CHECK_EQUAL(sent[0], 0xC0);
  CHECK_EQUAL(poll_at(60001), 0);
  CHECK_EQUAL(sent_length, 2);
  arrive("\xD0\x00", 2);
  CHECK_EQUAL(poll_at(60002), 0);
  CHECK_EQUAL(poll_at(120000), 0);
  CHECK_EQUAL(sent_length, 4);
  CHECK_EQUAL(poll_at(150000), 0);
  CHECK_EQUAL(poll_at(150001), -1);
}

static void a_ping_without_room_waits(void) {
  static uint8_t payload[472];
  struct millrace_message message = {"devices/hive/telemetry", payload, sizeof payload, false};
  uint16_t packet_id;
  connect_now();
  CHECK_EQUAL(session.publish(session.context, &message, &packet_id), 1);
  mqtt.transmit_length = sizeof transmit - 1;
  send_answer = -1;
  CHECK_EQUAL(poll_at(60000), -1);
  CHECK(!mqtt.pinged);
}

static void a_broker_may_forbid_pings(void) {
  connect_now();
  mqtt.keep_alive_s = 0;
  CHECK_EQUAL(poll_at(4000000), 0);
  CHECK_EQUAL(sent_length, 0);
}

static void a_stop_that_was_meant_says_so(void) {
  connect_now();
  session.close(session.context, true);
  CHECK_EQUAL(sent_length, 2);
  CHECK_EQUAL(sent[0], 0xE0);
  CHECK_EQUAL(closed, 1);
  session.close(session.context, true);
  CHECK_EQUAL(closed, 1);
  CHECK_EQUAL(poll_at(0), -1);
  struct millrace_message message = {"t", (const uint8_t *)"", 0, false};
  uint16_t packet_id;
  CHECK_EQUAL(session.publish(session.context, &message, &packet_id), -1);
  begin();
  session.open(session.context, &options, 0);
  session.close(session.context, true);
  CHECK_EQUAL(sent_length, 0);
  connect_now();
  mqtt.transmit_length = sizeof transmit - 1;
  session.close(session.context, true);
  CHECK_EQUAL(sent_length, sizeof transmit - 1);
}

static void a_broken_stream_ends_the_session(void) {
  begin();
  session.open(session.context, &options, 0);
  open_answer = -1;
  CHECK_EQUAL(poll_at(0), -1);
  begin();
  session.open(session.context, &options, 0);
  send_answer = -1;
  CHECK_EQUAL(poll_at(0), -1);
  connect_now();
  receive_answer = -1;
  CHECK_EQUAL(poll_at(0), -1);
}

static void a_connect_that_does_not_fit_is_refused(void) {
  struct millrace_session_options bare = {"hive", NULL, NULL, "s", "w", 60};
  begin();
  mqtt.transmit_size = 30;
  CHECK_EQUAL(session.open(session.context, &options, 0), -1);
  CHECK_EQUAL(session.open(session.context, &bare, 0), -1);
  mqtt.transmit_size = 33;
  CHECK_EQUAL(session.open(session.context, &bare, 0), 1);
}

void mqtt_tests(void) {
  run("CONNECT carries the will and the limits", connect_carries_the_will_and_the_limits);
  run("the broker's limits are taken from CONNACK", the_brokers_limits_are_taken_from_connack);
  run("a CONNACK that is not one ends the session", a_connack_that_is_not_one_ends_the_session);
  run("a PUBLISH is the bytes of the specification", a_publish_is_the_bytes_of_the_specification);
  run("a PUBLISH is taken whole or not at all", a_publish_is_taken_whole_or_not_at_all);
  run("packet IDs skip zero", packet_ids_skip_zero);
  run("acknowledgements come out whatever their pieces", acknowledgements_come_out_whatever_their_pieces);
  run("what is no packet ends the session", what_is_no_packet_ends_the_session);
  run("a quiet session is kept alive", a_quiet_session_is_kept_alive);
  run("a ping without room waits", a_ping_without_room_waits);
  run("a broker may forbid pings", a_broker_may_forbid_pings);
  run("a stop that was meant says so", a_stop_that_was_meant_says_so);
  run("a broken stream ends the session", a_broken_stream_ends_the_session);
  run("a CONNECT that does not fit is refused", a_connect_that_does_not_fit_is_refused);
}
