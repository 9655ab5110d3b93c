#include "millrace/publisher.h"

#include <string.h>

#include "check.h"
#include "decoder.h"
#include "hive_1.h"
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
static uint32_t published, acknowledged;
static struct millrace_publisher_config config;

static void on_published(void *context, uint32_t handle) {
  (void)context, (void)handle;
  published++;
}

static void on_acknowledged(void *context, uint32_t handle, uint8_t reason) {
  (void)context, (void)handle, (void)reason;
  acknowledged++;
}

static void begin(void) {
  record_count = opens = closes = graceful_closes = event_count = event_at = 0;
  open_answer = 1;
  publish_room = RECORDS;
  lost = false;
  next_id = 0;
  now = 1000;
  published = acknowledged = 0;
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

static void the_birth_comes_first_and_is_retained(void) {
  begin();
  put(0, MILLRACE_SYNCED);
  millrace_publisher_start(&publisher, now, 0);
  poll();
  CHECK_EQUAL(opens, 1);
  CHECK_EQUAL(record_count, 0);
  say(MILLRACE_CONNECTED, 0, 0);
  poll();
  CHECK_EQUAL(record_count, 2);
  CHECK_TEXT(records[0].topic, "devices/hive-7/status");
  CHECK(records[0].retain);
  records[0].payload[records[0].length] = '\0';
  CHECK_TEXT((char *)records[0].payload, "{\"state\":\"ready\",\"boot\":5,\"firmware\":\"hive-1\"}");
  CHECK_TEXT(records[1].topic, "devices/hive-7/telemetry");
  CHECK(!records[1].retain);
}

static void a_start_can_be_spread_over_time(void) {
  begin();
  millrace_publisher_start(&publisher, now, 60000);
  CHECK(publisher.wait_ms > 0);
  CHECK(publisher.wait_ms < 60000);
  now += publisher.wait_ms - 1;
  poll();
  CHECK_EQUAL(opens, 0);
  now++;
  poll();
  CHECK_EQUAL(opens, 1);
}

static void no_more_frames_are_in_flight_than_the_window_allows(void) {
  begin();
  for (int32_t seq = 0; seq < 6; seq++) put(seq, MILLRACE_SYNCED);
  connect_now();
  CHECK_EQUAL(record_count, 5); /* the birth and four */
  say(MILLRACE_ACKNOWLEDGED, 2, 0);
  say(MILLRACE_ACKNOWLEDGED, 4, 0);
  poll();
  CHECK_EQUAL(record_count, 7);
  CHECK_EQUAL(seq_of(5), 4);
  CHECK_EQUAL(seq_of(6), 5);
  for (uint16_t id = 3; id <= 7; id++) say(MILLRACE_ACKNOWLEDGED, id, 0);
  poll();
  CHECK_EQUAL(publisher.in_flight, 0);
  CHECK_EQUAL(ram.waiting, 0);
}

static void the_brokers_receive_maximum_is_kept(void) {
  begin();
  for (int32_t seq = 0; seq < 6; seq++) put(seq, MILLRACE_SYNCED);
  millrace_publisher_start(&publisher, now, 0);
  say(MILLRACE_CONNECTED, 0, 0);
  events[0].receive_maximum = 2;
  poll();
  CHECK_EQUAL(record_count, 2); /* the birth counts */
  say(MILLRACE_ACKNOWLEDGED, 1, 0);
  poll();
  CHECK_EQUAL(record_count, 3);
}

static void a_frame_is_freed_only_on_a_good_puback(void) {
  static const uint8_t bad[] = {0x10, 0x80, 0x83, 0x87, 0x97, 0x99, 0xFF};
  for (unsigned i = 0; i < sizeof bad; i++) {
    begin();
    put(0, MILLRACE_SYNCED);
    connect_now();
    say(MILLRACE_ACKNOWLEDGED, 2, bad[i]);
    poll();
    CHECK_EQUAL(publisher.in_flight, 1);
    CHECK_EQUAL(publisher.refused, 1);
    CHECK_EQUAL(record_count, 2);
    CHECK(publisher.hold_ms > 0);
    put(1, MILLRACE_SYNCED);
    poll();
    CHECK_EQUAL(record_count, 2);
    now += publisher.hold_ms;
    poll();
    CHECK_EQUAL(record_count, 4);
    CHECK_EQUAL(seq_of(2), 0);
    CHECK_EQUAL(seq_of(3), 1);
    CHECK_EQUAL(records[2].length, records[1].length);
    CHECK(memcmp(records[2].payload, records[1].payload, records[1].length) == 0);
    say(MILLRACE_ACKNOWLEDGED, 3, 0);
    say(MILLRACE_ACKNOWLEDGED, 4, 0x11 - 1 + 0x0F); /* any other code below 0x80 is good */
    poll();
    CHECK_EQUAL(publisher.in_flight, 0);
  }
}

static void an_acknowledgement_of_nothing_frees_nothing(void) {
  begin();
  put(0, MILLRACE_SYNCED);
  connect_now();
  say(MILLRACE_ACKNOWLEDGED, 77, 0);
  poll();
  CHECK_EQUAL(publisher.in_flight, 1);
}

static void unacknowledged_frames_are_sent_again_in_order_with_the_same_bytes(void) {
  begin();
  for (int32_t seq = 0; seq < 6; seq++) put(seq, MILLRACE_SYNCED);
  connect_now();
  say(MILLRACE_ACKNOWLEDGED, 3, 0);
  poll();
  int before = record_count;
  lost = true;
  poll();
  CHECK_EQUAL(publisher.state, MILLRACE_PUBLISHER_WAITING);
  CHECK_EQUAL(closes, 1);
  now += publisher.wait_ms;
  connect_now();
  CHECK_EQUAL(record_count, before + 5);
  int32_t expected[] = {0, 2, 3, 4};
  for (int i = 0; i < 4; i++) CHECK_EQUAL(seq_of(before + 1 + i), expected[i]);
  CHECK_EQUAL(publisher.resent, 4);
}

static void the_wait_before_reconnecting_is_random_and_grows(void) {
  begin();
  open_answer = -1;
  millrace_publisher_start(&publisher, now, 0);
  uint32_t ceiling = 1000;
  uint32_t longest = 0;
  for (int attempt = 0; attempt < 300; attempt++) {
    poll();
    CHECK_EQUAL(publisher.state, MILLRACE_PUBLISHER_WAITING);
    CHECK(publisher.wait_ms < ceiling);
    if (publisher.wait_ms > longest) longest = publisher.wait_ms;
    ceiling = ceiling * 2 > 60000 ? 60000 : ceiling * 2;
    now += publisher.wait_ms;
  }
  CHECK_EQUAL(opens, 300);
  CHECK(longest > 50000);
  open_answer = 1;
  connect_now();
  CHECK_EQUAL(publisher.attempts, 0);
}

static void silence_counts_as_a_lost_connection(void) {
  begin();
  millrace_publisher_start(&publisher, now, 0);
  poll();
  now += MILLRACE_RESPONSE_MS;
  poll();
  CHECK_EQUAL(publisher.state, MILLRACE_PUBLISHER_CONNECTING);
  now++;
  poll();
  CHECK_EQUAL(publisher.state, MILLRACE_PUBLISHER_WAITING);
  begin();
  put(0, MILLRACE_SYNCED);
  connect_now();
  now += MILLRACE_RESPONSE_MS + 1;
  poll();
  CHECK_EQUAL(publisher.state, MILLRACE_PUBLISHER_WAITING);
  CHECK_EQUAL(publisher.in_flight, 1);
}

static void a_session_without_room_is_tried_again(void) {
  begin();
  put(0, MILLRACE_SYNCED);
  put(1, MILLRACE_SYNCED);
  publish_room = 0;
  millrace_publisher_start(&publisher, now, 0);
  say(MILLRACE_CONNECTED, 0, 0);
  poll();
  CHECK_EQUAL(record_count, 0);
  publish_room = 2;
  poll();
  CHECK_EQUAL(record_count, 2);
  publish_room = -1;
  poll();
  CHECK_EQUAL(publisher.state, MILLRACE_PUBLISHER_WAITING);
}

static void live_frames_go_before_those_that_waited(void) {
  begin();
  config.live_first = true;
  config.in_flight_size = 1;
  millrace_publisher_init(&publisher, &config);
  put(0, MILLRACE_SYNCED);
  put(1, MILLRACE_SYNCED);
  millrace_publisher_start(&publisher, now, 0);
  say(MILLRACE_CONNECTED, 0, 0);
  poll();
  put(2, MILLRACE_SYNCED);
  for (uint16_t id = 1; id <= 3; id++) {
    say(MILLRACE_ACKNOWLEDGED, id, 0);
    poll();
  }
  CHECK_EQUAL(seq_of(1), 2);
  CHECK_EQUAL(seq_of(2), 0);
  CHECK_EQUAL(seq_of(3), 1);
}

static uint32_t read_now(void *context) {
  (void)context;
  return now;
}

static void frames_of_this_boot_are_corrected_when_the_time_is_known(void) {
  static struct decoded decoded;
  struct millrace_clock clock;
  begin();
  millrace_clock_init(&clock, read_now, NULL);
  config.clock = &clock;
  millrace_publisher_init(&publisher, &config);
  put(0, MILLRACE_UPTIME);
  connect_now();
  CHECK(decode_frame(records[1].payload, records[1].length, &hive_1_schema, &decoded));
  CHECK_EQUAL(decoded.clock, MILLRACE_UPTIME);
  millrace_clock_set(&clock, 1795416369998);
  put(1, MILLRACE_UPTIME);
  poll();
  CHECK(decode_frame(records[2].payload, records[2].length, &hive_1_schema, &decoded));
  CHECK_EQUAL(decoded.clock, MILLRACE_SYNCED);
  CHECK(decoded.base == 1795416369998 - 1000 + 4000);
  /* Whatever the clock does now, both keep the bytes they were first sent with. */
  millrace_clock_set(&clock, 1795416369998 + 100000);
  lost = true;
  poll();
  now += publisher.wait_ms;
  connect_now();
  CHECK_EQUAL(records[4].length, records[1].length);
  CHECK(memcmp(records[4].payload, records[1].payload, records[1].length) == 0);
  CHECK_EQUAL(records[5].length, records[2].length);
  CHECK(memcmp(records[5].payload, records[2].payload, records[2].length) == 0);
}

static void frames_of_an_earlier_boot_keep_their_uptime(void) {
  struct millrace_clock clock;
  begin();
  millrace_clock_init(&clock, read_now, NULL);
  millrace_clock_set(&clock, 1795416369998);
  config.clock = &clock;
  config.boot = 6;
  millrace_publisher_init(&publisher, &config);
  put(0, MILLRACE_UPTIME);
  put(1, MILLRACE_SYNCED);
  connect_now();
  CHECK_EQUAL(records[1].payload[12], 2); /* zigzag of UPTIME */
  CHECK_EQUAL(records[2].payload[12], 0);
}

static enum millrace_status unreadable(void *context, uint32_t handle, const uint8_t **frame, uint16_t *length) {
  (void)context, (void)handle, (void)frame, (void)length;
  return MILLRACE_CORRUPT;
}

static void a_frame_that_cannot_be_read_is_given_up_and_counted(void) {
  begin();
  config.store.read = unreadable;
  millrace_publisher_init(&publisher, &config);
  for (int32_t seq = 0; seq < 6; seq++) put(seq, MILLRACE_SYNCED);
  connect_now();
  CHECK_EQUAL(publisher.unreadable, 6);
  CHECK_EQUAL(publisher.in_flight, 0);
  CHECK_EQUAL(record_count, 1);
}

static void an_observer_sees_each_frame_go_and_return(void) {
  begin();
  config.observer.published = on_published;
  config.observer.acknowledged = on_acknowledged;
  millrace_publisher_init(&publisher, &config);
  put(0, MILLRACE_SYNCED);
  connect_now();
  say(MILLRACE_ACKNOWLEDGED, 2, 0);
  poll();
  CHECK_EQUAL(published, 1);
  CHECK_EQUAL(acknowledged, 1);
}

static void a_stop_says_farewell(void) {
  begin();
  put(0, MILLRACE_SYNCED);
  connect_now();
  millrace_publisher_stop(&publisher);
  CHECK_EQUAL(graceful_closes, 1);
  records[2].payload[records[2].length] = '\0';
  CHECK_TEXT((char *)records[2].payload, "{\"state\":\"sleeping\",\"boot\":5,\"firmware\":\"hive-1\"}");
  poll();
  CHECK_EQUAL(opens, 1);
  connect_now();
  CHECK_EQUAL(seq_of(4), 0);
  begin();
  millrace_publisher_stop(&publisher);
  CHECK_EQUAL(record_count, 0);
}

static void unusable_settings_are_refused(void) {
  begin();
  struct millrace_publisher_config wrong = config;
  wrong.in_flight = NULL;
  CHECK_EQUAL(millrace_publisher_init(&publisher, &wrong), MILLRACE_BAD_ARGUMENT);
  wrong = config;
  wrong.in_flight_size = 0;
  CHECK_EQUAL(millrace_publisher_init(&publisher, &wrong), MILLRACE_BAD_ARGUMENT);
  wrong = config;
  wrong.reconnect_min_ms = 0;
  CHECK_EQUAL(millrace_publisher_init(&publisher, &wrong), MILLRACE_BAD_ARGUMENT);
  wrong = config;
  wrong.reconnect_max_ms = 999;
  CHECK_EQUAL(millrace_publisher_init(&publisher, &wrong), MILLRACE_BAD_ARGUMENT);
  wrong = config;
  wrong.seed = 0;
  CHECK_EQUAL(millrace_publisher_init(&publisher, &wrong), MILLRACE_OK);
  CHECK(publisher.random != 0);
}

static void names_that_could_break_a_topic_are_refused(void) {
  static const char *bad[] = {"", "-a", "_a", "a/b", "a+", "a#", "a b", "a\"", "\xC3\xA9",
                              "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"};
  for (unsigned i = 0; i < sizeof bad / sizeof bad[0]; i++)
    CHECK_EQUAL(millrace_identity_init(&identity, bad[i], "hive-1", 0), MILLRACE_BAD_ARGUMENT);
  CHECK_EQUAL(millrace_identity_init(&identity, "aZ09_-", "hive 1", 0), MILLRACE_BAD_ARGUMENT);
  CHECK_EQUAL(millrace_identity_init(&identity, "aZ09_-", "hive-1", -1), MILLRACE_BAD_ARGUMENT);
  CHECK_EQUAL(millrace_identity_init(&identity, "aZ09_-aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaA", "hive-1aaaaaaaaaaaaaaaaaaaaaaaaaa", INT32_MAX), MILLRACE_OK);
  CHECK_TEXT(identity.birth, "{\"state\":\"ready\",\"boot\":2147483647,\"firmware\":\"hive-1aaaaaaaaaaaaaaaaaaaaaaaaaa\"}");
}

void publisher_tests(void) {
  run("the birth comes first and is retained", the_birth_comes_first_and_is_retained);
  run("a start can be spread over time", a_start_can_be_spread_over_time);
  run("no more frames are in flight than the window allows", no_more_frames_are_in_flight_than_the_window_allows);
  run("the broker's receive maximum is kept", the_brokers_receive_maximum_is_kept);
  run("a frame is freed only on a good PUBACK", a_frame_is_freed_only_on_a_good_puback);
  run("an acknowledgement of nothing frees nothing", an_acknowledgement_of_nothing_frees_nothing);
  run("unacknowledged frames are sent again, in order, with the same bytes", unacknowledged_frames_are_sent_again_in_order_with_the_same_bytes);
  run("the wait before reconnecting is random and grows", the_wait_before_reconnecting_is_random_and_grows);
  run("silence counts as a lost connection", silence_counts_as_a_lost_connection);
  run("a session without room is tried again", a_session_without_room_is_tried_again);
  run("live frames go before those that waited", live_frames_go_before_those_that_waited);
  run("frames of this boot are corrected when the time is known", frames_of_this_boot_are_corrected_when_the_time_is_known);
  run("frames of an earlier boot keep their uptime", frames_of_an_earlier_boot_keep_their_uptime);
  run("a frame that cannot be read is given up and counted", a_frame_that_cannot_be_read_is_given_up_and_counted);
  run("an observer sees each frame go and return", an_observer_sees_each_frame_go_and_return);
  run("a stop says farewell", a_stop_says_farewell);
  run("unusable settings of the publisher are refused", unusable_settings_are_refused);
  run("names that could break a topic are refused", names_that_could_break_a_topic_are_refused);
}
