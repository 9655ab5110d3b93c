/* The publisher while all goes well: birth, window, PUBACKs, settings. */
#include "publisher_rig.h"

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

void publisher_tests(void) {
  run("the birth comes first and is retained", the_birth_comes_first_and_is_retained);
  run("a start can be spread over time", a_start_can_be_spread_over_time);
  run("no more frames are in flight than the window allows", no_more_frames_are_in_flight_than_the_window_allows);
  run("the broker's receive maximum is kept", the_brokers_receive_maximum_is_kept);
  run("a frame is freed only on a good PUBACK", a_frame_is_freed_only_on_a_good_puback);
  run("an acknowledgement of nothing frees nothing", an_acknowledgement_of_nothing_frees_nothing);
}
