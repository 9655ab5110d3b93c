/* A flash store on simulated flash. Each test file has one of its own. */
#ifndef FLASH_RIG_H
#define FLASH_RIG_H

#include <string.h>

#include "check.h"
#include "flash_sim.h"
#include "hive_1.h"
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

#endif
