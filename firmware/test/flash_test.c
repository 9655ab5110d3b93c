/* The flash store while flash does what it should. */
#include "flash_rig.h"

static void frames_survive_a_reset_and_come_out_in_order(void) {
  static const uint8_t units[] = {4, 8, 16, 32};
  for (unsigned u = 0; u < sizeof units; u++) {
    uint32_t handle;
    begin(4096, units[u]);
    put_ok(0, 29);
    CHECK_EQUAL(take(&handle), 0);
    release(handle);
    CHECK_EQUAL(take(&handle), 1); /* taken, not released: it comes back */
    CHECK_EQUAL(open_store(), 0);
    for (int32_t seq = 1; seq < 30; seq++) {
      CHECK_EQUAL(take(&handle), seq);
      release(handle);
    }
    CHECK_EQUAL(take(&handle), -1);
    CHECK_EQUAL(open_store(), 0);
    CHECK_EQUAL(take(&handle), -1);
    CHECK(!sim.misused);
  }
}

static void live_frames_come_before_the_backlog_of_flash(void) {
  uint32_t handle, first;
  begin(4096, 4);
  put_ok(0, 15);
  port.divide(port.context);
  CHECK_EQUAL(take(&first), 0);
  put_ok(16, 30);
  for (int32_t seq = 16; seq <= 18; seq++) CHECK_EQUAL(take(&handle), seq);
  port.divide(port.context); /* 19 to 30 join the backlog, behind 1 to 15 */
  put_ok(31, 31);
  CHECK_EQUAL(take(&handle), 31);
  for (int32_t seq = 1; seq <= 15; seq++) CHECK_EQUAL(take(&handle), seq);
  for (int32_t seq = 19; seq <= 30; seq++) CHECK_EQUAL(take(&handle), seq);
  CHECK_EQUAL(take(&handle), -1);
  CHECK_EQUAL(seq_of(first), 0);
}

static void a_full_ring_discards_its_oldest_sector_and_counts_it(void) {
  int32_t discarded;
  uint32_t handle;
  begin(1024, 4); /* three slots a sector */
  put_ok(0, 11);
  CHECK_EQUAL(put(12, &discarded), MILLRACE_OK);
  CHECK_EQUAL(discarded, 9); /* three frames of two samples that each reported one */
  CHECK_EQUAL(take(&handle), 3);
  put_ok(13, 14);
  CHECK_EQUAL(put(15, &discarded), MILLRACE_OK); /* 3 is in flight: its sector stays, the next oldest goes */
  CHECK_EQUAL(discarded, 9);
  CHECK_EQUAL(seq_of(handle), 3);
  static const int32_t left[] = {4, 5, 9, 10, 11, 12, 13, 14, 15};
  for (unsigned i = 0; i < sizeof left / sizeof left[0]; i++) CHECK_EQUAL(take(&handle), left[i]);
  CHECK_EQUAL(put(16, &discarded), MILLRACE_OK);
  CHECK_EQUAL(put(17, &discarded), MILLRACE_OK);
  CHECK_EQUAL(put(18, &discarded), MILLRACE_FULL); /* every sector has a frame in flight */
  CHECK_EQUAL(discarded, 0);
}

static void sectors_with_nothing_to_keep_are_used_before_any_frame_is_discarded(void) {
  int32_t discarded;
  uint32_t handle;
  begin(1024, 4);
  put_ok(0, 11);
  port.divide(port.context);
  for (int32_t seq = 12; seq < 14; seq++) {
    CHECK_EQUAL(put(seq, &discarded), MILLRACE_OK);
    CHECK_EQUAL(discarded, seq == 12 ? 9 : 0);
    CHECK_EQUAL(take(&handle), seq);
    release(handle);
  }
  for (int32_t seq = 14; seq < 100; seq++) {
    CHECK_EQUAL(put(seq, &discarded), MILLRACE_OK);
    CHECK_EQUAL(discarded, 0);
    CHECK_EQUAL(take(&handle), seq == 14 ? 14 : seq);
    release(handle);
    if (seq == 20) port.divide(port.context);
  }
  for (int32_t seq = 3; seq < 6; seq++) CHECK_EQUAL(take(&handle), seq);
}

static void what_was_discarded_but_not_reported_is_known_after_a_reset(void) {
  int32_t discarded;
  begin(1024, 4);
  put_ok(0, 11);
  CHECK_EQUAL(put(12, &discarded), MILLRACE_OK);
  CHECK_EQUAL(open_store(), 9);
  CHECK_EQUAL(put(13, &discarded), MILLRACE_OK);
  CHECK_EQUAL(open_store(), 0);
}

static void wear_is_spread_evenly(void) {
  uint32_t handle;
  begin(1024, 4);
  for (int32_t seq = 0; seq < 3000; seq++) {
    put_ok(seq, seq);
    CHECK_EQUAL(take(&handle), seq);
    release(handle);
    if (seq % 97 == 0) open_store();
  }
  for (int i = 0; i < SECTORS; i++) CHECK(sim.erased[i] >= 249 && sim.erased[i] <= 251);
}

static void a_corrected_frame_keeps_its_bytes_over_a_reset(void) {
  uint8_t sealed[280];
  uint8_t before[280];
  const uint8_t *frame;
  uint16_t length, again;
  uint32_t handle;
  int32_t discarded;
  struct millrace_frame_start start;
  begin(4096, 8);
  length = make(0, MILLRACE_UPTIME, sealed);
  CHECK_EQUAL(port.put(port.context, sealed, length, &discarded), MILLRACE_OK);
  CHECK_EQUAL(take(&handle), 0);
  CHECK_EQUAL(port.correct(port.context, handle, 1795416369998), MILLRACE_OK);
  CHECK_EQUAL(port.read(port.context, handle, &frame, &length), MILLRACE_OK);
  memcpy(before, frame, length);
  open_store();
  CHECK_EQUAL(take(&handle), 0);
  CHECK_EQUAL(port.read(port.context, handle, &frame, &again), MILLRACE_OK);
  CHECK_EQUAL(again, length);
  CHECK(memcmp(before, frame, length) == 0);
  CHECK_EQUAL(millrace_frame_peek(frame, length, &start, &discarded), MILLRACE_OK);
  CHECK_EQUAL(start.clock, MILLRACE_SYNCED);
  CHECK(start.base == 1795416369998 + 1000);
}

void flash_tests(void) {
  run("frames survive a reset and come out in order", frames_survive_a_reset_and_come_out_in_order);
  run("live frames come before the backlog of flash", live_frames_come_before_the_backlog_of_flash);
  run("a full ring discards its oldest sector and counts it", a_full_ring_discards_its_oldest_sector_and_counts_it);
  run("sectors with nothing to keep are used before any frame is discarded", sectors_with_nothing_to_keep_are_used_before_any_frame_is_discarded);
  run("what was discarded but not reported is known after a reset", what_was_discarded_but_not_reported_is_known_after_a_reset);
  run("wear is spread evenly", wear_is_spread_evenly);
  run("a corrected frame keeps its bytes over a reset", a_corrected_frame_keeps_its_bytes_over_a_reset);
}
