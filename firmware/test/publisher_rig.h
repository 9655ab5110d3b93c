/* A publisher on a RAM store and a session that the test speaks for. Each test file has one of its own. */
#ifndef PUBLISHER_RIG_H
#define PUBLISHER_RIG_H

#include <string.h>

#include "check.h"
#include "decoder.h"
#include "hive_1.h"
#include "millrace/publisher.h"
#include "millrace/ram_store.h"
#include "suites.h"

/* A session that records what is published and says what the test puts in its mouth. */
#define RECORDS 64
static struct record {
  char topic[90];
  uint8_t payload[280];
  uint16_t length;
  uint16_t packet_id;
  bool retain;
} records[RECORDS];
static int record_count, opens, closes, graceful_closes;
static int open_answer, publish_room;
static bool lost;
static struct millrace_event events[RECORDS];
static int event_count, event_at;
static uint16_t next_id;

static int session_open(void *context, const struct millrace_session_options *options, uint32_t now_ms) {
  (void)context, (void)now_ms;
  CHECK_TEXT(options->client_id, "hive-7");
  CHECK_TEXT(options->username, "hive-7");
  CHECK_TEXT(options->will_topic, "devices/hive-7/status");
  CHECK_TEXT(options->will, "{\"state\":\"lost\",\"boot\":5,\"firmware\":\"hive-1\"}");
  opens++;
  lost = false;
  return open_answer;
}

static int session_publish(void *context, const struct millrace_message *message, uint16_t *packet_id) {
  (void)context;
  if (publish_room <= 0) return publish_room;
  publish_room--;
  struct record *record = &records[record_count++];
  strcpy(record->topic, message->topic);
  memcpy(record->payload, message->payload, message->length);
  record->length = message->length;
  record->retain = message->retain;
  record->packet_id = *packet_id = ++next_id;
  return 1;
}

static int session_poll(void *context, uint32_t now_ms, struct millrace_event *event) {
  (void)context, (void)now_ms;
  if (event_at < event_count) {
    *event = events[event_at++];
    return 1;
  }
  return lost ? -1 : 0;
}

static void session_close(void *context, bool graceful) {
  (void)context;
  closes++;
  if (graceful) graceful_closes++;
}

#define SLOTS 8
static struct millrace_publisher publisher;
static struct millrace_identity identity;
static struct millrace_ram_store ram;
static struct millrace_slot slots[SLOTS];
static uint8_t bytes[SLOTS * 280];
static struct millrace_in_flight in_flight[4];
static uint32_t now;
static struct millrace_publisher_config config;

static void begin(void) {
  record_count = opens = closes = graceful_closes = event_count = event_at = 0;
  open_answer = 1;
  publish_room = RECORDS;
  lost = false;
  next_id = 0;
  now = 1000;
  millrace_ram_store_init(&ram, slots, SLOTS, bytes, 280, MILLRACE_DISCARD_OLDEST);
  CHECK_EQUAL(millrace_identity_init(&identity, "hive-7", "hive-1", 5), MILLRACE_OK);
  struct millrace_publisher_config fresh = {
      .session = {NULL, session_open, session_publish, session_poll, session_close},
      .store = millrace_ram_store_port(&ram),
      .identity = &identity,
      .in_flight = in_flight,
      .in_flight_size = 4,
      .seed = 9,
      .reconnect_min_ms = 1000,
      .reconnect_max_ms = 60000,
      .boot = 5,
  };
  config = fresh;
  CHECK_EQUAL(millrace_publisher_init(&publisher, &config), MILLRACE_OK);
}

static void poll(void) { millrace_publisher_poll(&publisher, now); }

static void say(enum millrace_event_kind kind, uint16_t packet_id, uint8_t reason) {
  struct millrace_event event = {kind, packet_id, reason, 20};
  events[event_count++] = event;
}

static void put(int32_t seq, enum millrace_clock_state clock) {
  struct millrace_frame frame;
  uint8_t rows[280];
  uint8_t sealed[280];
  int32_t values[] = {2000, 5000};
  int32_t discarded;
  struct millrace_frame_start start = {5, seq, clock, 4000, 0};
  millrace_frame_init(&frame, &hive_1_schema, rows, 280);
  millrace_frame_open(&frame, &start);
  millrace_frame_append(&frame, 4000, values);
  CHECK_EQUAL(config.store.put(config.store.context, sealed, millrace_frame_seal(&frame, sealed), &discarded), MILLRACE_OK);
}

static int32_t seq_of(int index) {
  struct millrace_frame_start start = {-1, -1, MILLRACE_SYNCED, 0, 0};
  int32_t samples;
  CHECK(index < record_count);
  CHECK_EQUAL(millrace_frame_peek(records[index].payload, records[index].length, &start, &samples), MILLRACE_OK);
  return start.seq;
}

/* Connected, with the birth acknowledged: records begin after it. */
static void connect_now(void) {
  millrace_publisher_start(&publisher, now, 0);
  say(MILLRACE_CONNECTED, 0, 0);
  poll();
  CHECK_EQUAL(publisher.state, MILLRACE_PUBLISHER_READY);
  say(MILLRACE_ACKNOWLEDGED, publisher.birth_packet_id, 0);
  poll();
}

#endif
