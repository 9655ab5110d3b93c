#include <string.h>

#include "check.h"
#include "flash_sim.h"
#include "hive_1.h"
#include "millrace/boot.h"
#include "millrace/crc32.h"
#include "millrace/flash_store.h"
#include "suites.h"

#define SECTORS 4
static struct flash_sim sim;
static struct flash_region region = {&sim, 0};
static struct millrace_flash flash;
static struct millrace_flash_store store;
static struct millrace_store port;
static struct millrace_sector sectors[SECTORS];
static uint8_t bits[64];
static uint8_t frame_memory[288];
static const struct millrace_flash_memory memory = {sectors, bits, frame_memory, 280};

static int32_t open_store(void) {
  int32_t discarded = -1;
  CHECK_EQUAL(millrace_flash_store_open(&store, &flash, &memory, &discarded), MILLRACE_OK);
  port = millrace_flash_store_port(&store);
  return discarded;
}

/* Two slots a sector with small sectors, thirteen with real ones. */
static void begin(uint32_t sector_size, uint8_t write_unit) {
  flash_sim_init(&sim, sector_size, SECTORS, write_unit);
  flash = flash_sim_region(&region, SECTORS);
  CHECK(millrace_flash_store_bits(&flash, 280) <= sizeof bits);
  CHECK_EQUAL(open_store(), 0);
}

/* A region for boot numbers: smaller sectors than a store can have. */
static void begin_boot(uint8_t write_unit) {
  flash_sim_init(&sim, 256, SECTORS, write_unit);
  flash = flash_sim_region(&region, SECTORS);
}

/* A frame with two samples that reports one as dropped. */
static uint16_t make(int32_t seq, enum millrace_clock_state clock, uint8_t *sealed) {
  struct millrace_frame frame;
  uint8_t rows[280];
  int32_t values[] = {2000, 5000};
  struct millrace_frame_start start = {1, seq, clock, 1000, 1};
  CHECK_EQUAL(millrace_frame_init(&frame, &hive_1_schema, rows, 280), MILLRACE_OK);
  millrace_frame_open(&frame, &start);
  millrace_frame_append(&frame, 1000, values);
  millrace_frame_append(&frame, 1001, values);
  return millrace_frame_seal(&frame, sealed);
}

static enum millrace_status put(int32_t seq, int32_t *discarded) {
  uint8_t sealed[280];
  uint16_t length = make(seq, MILLRACE_SYNCED, sealed);
  return port.put(port.context, sealed, length, discarded);
}

static void put_ok(int32_t from, int32_t to) {
  int32_t discarded;
  for (int32_t seq = from; seq <= to; seq++) {
    CHECK_EQUAL(put(seq, &discarded), MILLRACE_OK);
    CHECK_EQUAL(discarded, 0);
  }
}

static int32_t seq_of(uint32_t handle) {
  const uint8_t *frame;
  uint16_t length;
  struct millrace_frame_start start = {-1, -1, MILLRACE_SYNCED, 0, 0};
  int32_t samples;
  CHECK_EQUAL(port.read(port.context, handle, &frame, &length), MILLRACE_OK);
  CHECK_EQUAL(millrace_frame_peek(frame, length, &start, &samples), MILLRACE_OK);
  return start.seq;
}

static int32_t take(uint32_t *handle) {
  return port.take(port.context, handle) == MILLRACE_OK ? seq_of(*handle) : -1;
}

static void release(uint32_t handle) { CHECK_EQUAL(port.release(port.context, handle), MILLRACE_OK); }

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

static void boot_numbers_in_flash_rise_over_resets_and_sectors(void) {
  static const uint8_t units[] = {4, 16};
  for (unsigned u = 0; u < 2; u++) {
    int32_t boot = -1, before;
    begin_boot(units[u]);
    CHECK_EQUAL(millrace_boot_next(&flash, UINT32_MAX, &before), MILLRACE_OK);
    CHECK_EQUAL(before, INT32_MAX / 2);
    for (int i = 0; i < 500; i++, before = boot) {
      CHECK_EQUAL(millrace_boot_next(&flash, random_number(), &boot), MILLRACE_OK);
      CHECK_EQUAL(boot, before + 1);
    }
    CHECK(!sim.misused);
  }
}

static void boot_numbers_that_cannot_be_are_refused(void) {
  int32_t boot;
  uint8_t last[8] = {0xFF, 0xFF, 0xFF, 0x7F};
  begin_boot(4);
  struct millrace_flash wrong = flash;
  wrong.sector_count = 1;
  CHECK_EQUAL(millrace_boot_next(&wrong, 0, &boot), MILLRACE_BAD_ARGUMENT);
  wrong = flash;
  wrong.write_unit = 2;
  CHECK_EQUAL(millrace_boot_next(&wrong, 0, &boot), MILLRACE_BAD_ARGUMENT);
  wrong.write_unit = 64;
  CHECK_EQUAL(millrace_boot_next(&wrong, 0, &boot), MILLRACE_BAD_ARGUMENT);
  uint32_t crc = millrace_crc32(0, last, 4);
  for (int i = 0; i < 4; i++) last[4 + i] = (uint8_t)(crc >> (8 * i));
  CHECK_EQUAL(flash.program(flash.context, 0, last, 8), 0);
  CHECK_EQUAL(millrace_boot_next(&flash, 0, &boot), MILLRACE_EXHAUSTED);
  last[3] = 0xFF; /* 4294967295 */
  crc = millrace_crc32(0, last, 4);
  for (int i = 0; i < 4; i++) last[4 + i] = (uint8_t)(crc >> (8 * i));
  begin_boot(4);
  flash.program(flash.context, 0, last, 8);
  CHECK_EQUAL(millrace_boot_next(&flash, 40, &boot), MILLRACE_OK);
  CHECK_EQUAL(boot, 10);
  sim.stuck_offset = 8;
  CHECK_EQUAL(millrace_boot_next(&flash, 0, &boot), MILLRACE_BROKEN);
  sim.dead = true;
  CHECK_EQUAL(millrace_boot_next(&flash, 0, &boot), MILLRACE_BROKEN);
}

static void the_crc_is_that_of_zlib(void) {
  CHECK_EQUAL(millrace_crc32(0, (const uint8_t *)"123456789", 9), 0xCBF43926);
  CHECK_EQUAL(millrace_crc32(millrace_crc32(0, (const uint8_t *)"1234", 4), (const uint8_t *)"56789", 5), 0xCBF43926);
}

void flash_tests(void) {
  run("frames survive a reset and come out in order", frames_survive_a_reset_and_come_out_in_order);
  run("live frames come before the backlog of flash", live_frames_come_before_the_backlog_of_flash);
  run("a full ring discards its oldest sector and counts it", a_full_ring_discards_its_oldest_sector_and_counts_it);
  run("sectors with nothing to keep are used before any frame is discarded", sectors_with_nothing_to_keep_are_used_before_any_frame_is_discarded);
  run("what was discarded but not reported is known after a reset", what_was_discarded_but_not_reported_is_known_after_a_reset);
  run("wear is spread evenly", wear_is_spread_evenly);
  run("a corrected frame keeps its bytes over a reset", a_corrected_frame_keeps_its_bytes_over_a_reset);
  run("a worn slot is passed over", a_worn_slot_is_passed_over);
  run("rotten frames are not given out", rotten_frames_are_not_given_out);
  run("flash of something else is taken for empty", flash_of_something_else_is_taken_for_empty);
  run("broken flash is reported", broken_flash_is_reported);
  run("a read that fails anywhere is reported", a_read_that_fails_anywhere_is_reported);
  run("unusable regions and frames are refused", unusable_regions_and_frames_are_refused);
  run("boot numbers in flash rise over resets and sectors", boot_numbers_in_flash_rise_over_resets_and_sectors);
  run("boot numbers that cannot be are refused", boot_numbers_that_cannot_be_are_refused);
  run("the CRC is that of zlib", the_crc_is_that_of_zlib);
}
