/* The publisher when something is lost: connections, acknowledgements, time, frames. */
#include "publisher_rig.h"

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

/* As a broker does that finds a frame too large: it takes the session and the birth, and hangs up on the frame. */
static void a_broker_that_hangs_up_on_every_frame_is_not_hammered(void) {
  begin();
  put(0, MILLRACE_SYNCED);
  uint32_t waited = 0;
  for (int attempt = 0; attempt < 20; attempt++) {
    event_count = event_at = record_count = 0;
    connect_now();
    lost = true;
    poll();
    CHECK_EQUAL(publisher.state, MILLRACE_PUBLISHER_WAITING);
    waited += publisher.wait_ms;
    now += publisher.wait_ms;
  }
  CHECK(waited > 200000);
  event_count = event_at = record_count = 0;
  connect_now();
  say(MILLRACE_ACKNOWLEDGED, records[1].packet_id, 0);
  poll();
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

static uint32_t published, acknowledged;

static void on_published(void *context, uint32_t handle) {
  (void)context, (void)handle;
  published++;
}

static void on_acknowledged(void *context, uint32_t handle, uint8_t reason) {
  (void)context, (void)handle, (void)reason;
  acknowledged++;
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

void publisher_recovery_tests(void) {
  run("unacknowledged frames are sent again, in order, with the same bytes", unacknowledged_frames_are_sent_again_in_order_with_the_same_bytes);
  run("the wait before reconnecting is random and grows", the_wait_before_reconnecting_is_random_and_grows);
  run("a broker that hangs up on every frame is not hammered", a_broker_that_hangs_up_on_every_frame_is_not_hammered);
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
