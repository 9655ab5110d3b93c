#include <string.h>

#include "check.h"
#include "hive_1.h"
#include "millrace/ram_store.h"
#include "suites.h"

#define SLOTS 4
static struct millrace_ram_store ram;
static struct millrace_slot slots[SLOTS];
static uint8_t bytes[SLOTS * 64];
static struct millrace_store store;

static void begin(enum millrace_when_full when_full) {
  CHECK_EQUAL(millrace_ram_store_init(&ram, slots, SLOTS, bytes, 64, when_full), MILLRACE_OK);
  store = millrace_ram_store_port(&ram);
}

/* Puts a frame with this number; each has two samples and reports one as dropped. */
static enum millrace_status put(int32_t seq, int32_t *discarded) {
  struct millrace_frame frame;
  uint8_t rows[280];
  uint8_t sealed[280];
  int32_t values[] = {2000, 5000};
  struct millrace_frame_start start = {1, seq, MILLRACE_SYNCED, 1000, 1};
  CHECK_EQUAL(millrace_frame_init(&frame, &hive_1_schema, rows, 280), MILLRACE_OK);
  millrace_frame_open(&frame, &start);
  millrace_frame_append(&frame, 1000, values);
  millrace_frame_append(&frame, 1001, values);
  return store.put(store.context, sealed, millrace_frame_seal(&frame, sealed), discarded);
}

static int32_t seq_of(uint32_t handle) {
  const uint8_t *frame;
  uint16_t length;
  struct millrace_frame_start start = {-1, -1, MILLRACE_SYNCED, 0, 0};
  int32_t samples;
  CHECK_EQUAL(store.read(store.context, handle, &frame, &length), MILLRACE_OK);
  CHECK_EQUAL(millrace_frame_peek(frame, length, &start, &samples), MILLRACE_OK);
  return start.seq;
}

static int32_t take(uint32_t *handle) {
  return store.take(store.context, handle) == MILLRACE_OK ? seq_of(*handle) : -1;
}

static void frames_come_out_in_order(void) {
  int32_t discarded;
  uint32_t handle;
  begin(MILLRACE_REFUSE);
  for (int32_t seq = 0; seq < 100; seq++) {
    CHECK_EQUAL(put(seq, &discarded), MILLRACE_OK);
    if (seq < 2) continue;
    CHECK_EQUAL(take(&handle), seq - 2);
    CHECK_EQUAL(store.release(store.context, handle), MILLRACE_OK);
  }
  CHECK_EQUAL(take(&handle), 98);
  CHECK_EQUAL(take(&handle), 99);
  CHECK_EQUAL(take(&handle), -1);
}

static void a_full_store_refuses_when_told_to(void) {
  int32_t discarded = -1;
  uint32_t handle;
  begin(MILLRACE_REFUSE);
  for (int32_t seq = 0; seq < SLOTS; seq++) CHECK_EQUAL(put(seq, &discarded), MILLRACE_OK);
  CHECK(!millrace_ram_store_has_room(&ram));
  CHECK_EQUAL(put(SLOTS, &discarded), MILLRACE_FULL);
  CHECK_EQUAL(discarded, 0);
  CHECK_EQUAL(take(&handle), 0);
  CHECK_EQUAL(put(SLOTS, &discarded), MILLRACE_FULL);
  store.release(store.context, handle);
  CHECK(millrace_ram_store_has_room(&ram));
  CHECK_EQUAL(put(SLOTS, &discarded), MILLRACE_OK);
}

static void a_full_store_discards_its_oldest_waiting_frame_and_counts_it(void) {
  int32_t discarded = -1;
  uint32_t in_flight;
  uint32_t handle;
  begin(MILLRACE_DISCARD_OLDEST);
  for (int32_t seq = 0; seq < SLOTS; seq++) put(seq, &discarded);
  CHECK_EQUAL(discarded, 0);
  CHECK_EQUAL(take(&in_flight), 0);
  CHECK_EQUAL(put(4, &discarded), MILLRACE_OK);
  CHECK_EQUAL(discarded, 3); /* two samples, and the one that the frame reported */
  CHECK_EQUAL(seq_of(in_flight), 0);
  CHECK_EQUAL(take(&handle), 2);
  CHECK_EQUAL(take(&handle), 3);
  CHECK_EQUAL(take(&handle), 4);
  CHECK_EQUAL(put(5, &discarded), MILLRACE_FULL); /* all are in flight */
  CHECK_EQUAL(discarded, 0);
}

static void live_frames_come_before_the_backlog(void) {
  int32_t discarded;
  uint32_t handle;
  begin(MILLRACE_DISCARD_OLDEST);
  store.divide(store.context);
  put(0, &discarded);
  store.divide(store.context);
  put(1, &discarded);
  store.divide(store.context);
  store.divide(store.context);
  put(2, &discarded);
  put(3, &discarded);
  CHECK_EQUAL(take(&handle), 2);
  put(4, &discarded); /* discards 0, the oldest of the backlog */
  CHECK_EQUAL(discarded, 3);
  CHECK_EQUAL(take(&handle), 3);
  CHECK_EQUAL(take(&handle), 4);
  CHECK_EQUAL(take(&handle), 1);
  CHECK_EQUAL(take(&handle), -1);
}

static void impossible_frames_and_sizes_are_refused(void) {
  int32_t discarded;
  uint8_t large[65] = {0};
  begin(MILLRACE_REFUSE);
  CHECK_EQUAL(store.put(store.context, large, sizeof large, &discarded), MILLRACE_BAD_ARGUMENT);
  CHECK_EQUAL(millrace_ram_store_init(&ram, slots, 0, bytes, 64, MILLRACE_REFUSE), MILLRACE_BAD_ARGUMENT);
  CHECK_EQUAL(millrace_ram_store_init(&ram, slots, UINT16_MAX, bytes, 64, MILLRACE_REFUSE), MILLRACE_BAD_ARGUMENT);
}

static void bytes_that_are_no_frame_are_discarded_without_a_count(void) {
  int32_t discarded = 0;
  uint8_t noise[8] = {1, 2, 3, 4, 5, 6, 7, 8};
  begin(MILLRACE_DISCARD_OLDEST);
  struct millrace_sink sink = millrace_ram_store_sink(&ram);
  for (int i = 0; i < SLOTS + 1; i++) CHECK_EQUAL(sink.put(sink.context, noise, sizeof noise, &discarded), MILLRACE_OK);
  CHECK_EQUAL(discarded, 0);
}

void store_tests(void) {
  run("frames come out of the store in order", frames_come_out_in_order);
  run("a full store refuses when told to", a_full_store_refuses_when_told_to);
  run("a full store discards its oldest waiting frame and counts it", a_full_store_discards_its_oldest_waiting_frame_and_counts_it);
  run("live frames come before the backlog", live_frames_come_before_the_backlog);
  run("impossible frames and sizes are refused", impossible_frames_and_sizes_are_refused);
  run("bytes that are no frame are discarded without a count", bytes_that_are_no_frame_are_discarded_without_a_count);
}
