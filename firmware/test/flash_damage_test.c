/* The flash store on worn, rotten, foreign and broken flash. */
#include "flash_rig.h"

static void a_worn_slot_is_passed_over(void) {
  uint32_t handle;
  begin(4096, 4);
  sim.stuck_offset = 16 + 308 + 40; /* in the frame of the second slot */
  put_ok(0, 3);
  for (int32_t seq = 0; seq < 4; seq++) CHECK_EQUAL(take(&handle), seq);
  CHECK_EQUAL(store.memory.sectors[store.active].used, 5);
  sim.stuck_offset = 16 + 5 * 308; /* the length of the sixth */
  put_ok(4, 5);
  CHECK_EQUAL(store.memory.sectors[store.active].used, 8);
}

static void rotten_frames_are_not_given_out(void) {
  uint32_t handle;
  const uint8_t *frame;
  uint16_t length;
  int32_t discarded;
  begin(1024, 4);
  put_ok(0, 11);
  CHECK_EQUAL(take(&handle), 0);
  sim.bytes[16 + 40] ^= 1;
  CHECK_EQUAL(port.read(port.context, handle, &frame, &length), MILLRACE_CORRUPT);
  sim.bytes[16 + 308 + 40] ^= 1;
  open_store();
  CHECK_EQUAL(take(&handle), 2);
  release(handle);
  sim.bytes[1024 + 16 + 40] ^= 1; /* rots while it waits: not counted when it is discarded */
  CHECK_EQUAL(put(12, &discarded), MILLRACE_OK);
  CHECK_EQUAL(discarded, 0); /* the first sector had nothing left */
  put_ok(13, 14);
  CHECK_EQUAL(put(15, &discarded), MILLRACE_OK);
  CHECK_EQUAL(discarded, 6);
}

static void flash_of_something_else_is_taken_for_empty(void) {
  uint32_t handle;
  begin(4096, 4);
  for (uint32_t i = 0; i < sizeof sim.bytes; i++) sim.bytes[i] = (uint8_t)random_number();
  open_store();
  CHECK_EQUAL(take(&handle), -1);
  put_ok(0, 20);
  CHECK_EQUAL(take(&handle), 0);
}

static void broken_flash_is_reported(void) {
  int32_t discarded;
  const uint8_t *frame;
  uint16_t length;
  uint32_t handle;
  begin(4096, 4);
  put_ok(0, 0);
  CHECK_EQUAL(take(&handle), 0);
  sim.dead = true;
  CHECK_EQUAL(put(1, &discarded), MILLRACE_BROKEN);
  CHECK_EQUAL(port.read(port.context, handle, &frame, &length), MILLRACE_BROKEN);
  CHECK_EQUAL(port.correct(port.context, handle, 1), MILLRACE_BROKEN);
  CHECK_EQUAL(port.release(port.context, handle), MILLRACE_BROKEN);
  CHECK_EQUAL(millrace_flash_store_open(&store, &flash, &memory, &discarded), MILLRACE_BROKEN);
}

static int reads_left;
static int (*real_read)(void *context, uint32_t offset, uint8_t *bytes, uint16_t length);

static int failing_read(void *context, uint32_t offset, uint8_t *bytes, uint16_t length) {
  return reads_left-- == 0 ? -1 : real_read(context, offset, bytes, length);
}

static void a_read_that_fails_anywhere_is_reported(void) {
  uint8_t sealed[280];
  uint16_t sealed_length = make(7, MILLRACE_SYNCED, sealed);
  bool opened = false;
  for (int failing = 0; !opened; failing++) {
    int32_t discarded;
    begin(1024, 4);
    put_ok(0, 11);
    real_read = flash.read;
    flash.read = failing_read;
    reads_left = failing;
    enum millrace_status status = millrace_flash_store_open(&store, &flash, &memory, &discarded);
    CHECK(status == MILLRACE_OK || status == MILLRACE_BROKEN);
    opened = status == MILLRACE_OK;
  }
  for (int failing = 0; failing < 9; failing++) {
    int32_t discarded = 0;
    begin(1024, 4);
    put_ok(0, 11);
    real_read = store.flash.read;
    store.flash.read = failing_read;
    reads_left = failing;
    CHECK_EQUAL(port.put(port.context, sealed, sealed_length, &discarded), failing < 9 ? MILLRACE_BROKEN : MILLRACE_OK);
    store.flash.read = real_read;
    if (failing >= 6) CHECK(discarded == 0 || discarded == 9);
  }
}

static void unusable_regions_and_frames_are_refused(void) {
  int32_t discarded;
  uint8_t large[281] = {0};
  begin(4096, 4);
  struct millrace_flash wrong = flash;
  wrong.sector_count = 1;
  CHECK_EQUAL(millrace_flash_store_open(&store, &wrong, &memory, &discarded), MILLRACE_BAD_ARGUMENT);
  static const uint8_t units[] = {0, 2, 12, 64};
  for (unsigned i = 0; i < sizeof units; i++) {
    wrong = flash;
    wrong.write_unit = units[i];
    CHECK_EQUAL(millrace_flash_store_open(&store, &wrong, &memory, &discarded), MILLRACE_BAD_ARGUMENT);
  }
  wrong = flash;
  wrong.sector_size = 256;
  CHECK_EQUAL(millrace_flash_store_open(&store, &wrong, &memory, &discarded), MILLRACE_BAD_ARGUMENT);
  CHECK_EQUAL(millrace_flash_store_bits(&wrong, 280), 0);
  wrong.sector_size = 128 * 1024;
  CHECK_EQUAL(millrace_flash_store_bits(&wrong, 280), (4 * 255 + 7) / 8);
  open_store();
  struct millrace_sink sink = millrace_flash_store_sink(&store);
  CHECK_EQUAL(sink.put(sink.context, large, sizeof large, &discarded), MILLRACE_BAD_ARGUMENT);
  CHECK_EQUAL(sink.put(sink.context, large, 0, &discarded), MILLRACE_BAD_ARGUMENT);
}

void flash_damage_tests(void) {
  run("a worn slot is passed over", a_worn_slot_is_passed_over);
  run("rotten frames are not given out", rotten_frames_are_not_given_out);
  run("flash of something else is taken for empty", flash_of_something_else_is_taken_for_empty);
  run("broken flash is reported", broken_flash_is_reported);
  run("a read that fails anywhere is reported", a_read_that_fails_anywhere_is_reported);
  run("unusable regions and frames are refused", unusable_regions_and_frames_are_refused);
}
