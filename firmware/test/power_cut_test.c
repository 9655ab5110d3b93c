/* A device on flash that loses power in the middle of any write, again and again. */
#include <string.h>

#include "check.h"
#include "decoder.h"
#include "flash_sim.h"
#include "millrace/batcher.h"
#include "millrace/boot.h"
#include "millrace/crc32.h"
#include "millrace/flash_store.h"
#include "plant_1.h"
#include "suites.h"

/* Random cuts. The emulated Cortex-M3 does fewer. */
#ifndef POWER_CUTS
#define POWER_CUTS 10000
#endif

#define SECTOR 4096
#define BOOT_SECTORS 2
#define SECTORS 6

/* All frames that a put was tried with. Numbers are never reused, so they are found by boot and seq. */
#define TRACKED 4096
static struct tracked {
  int32_t boot, seq;
  uint32_t crc;
  uint16_t samples;
  bool accepted;  /* put returned OK */
  bool delivered; /* the broker has it */
} tracked[TRACKED];
static uint32_t tracked_count;

static struct flash_sim sim;
static struct flash_region boot_region = {&sim, 0};
static struct flash_region store_region = {&sim, BOOT_SECTORS};
static struct millrace_flash_store store;
static struct millrace_store port;
static struct millrace_sector sectors[SECTORS];
static uint8_t bits[16];
static uint8_t frame_memory[280];
static struct millrace_batcher batcher;
static struct millrace_clock clock;
static uint8_t batcher_memory[560];
static uint32_t now;
static uint32_t in_flight[4];
static uint32_t in_flight_count;
static bool power;
static struct decoded decoded;
static uint32_t highest_boot_seen;

static uint32_t read_now(void *context) {
  (void)context;
  return now;
}

static struct tracked *find(int32_t boot, int32_t seq) {
  for (uint32_t i = tracked_count; i-- > 0;)
    if (tracked[i].boot == boot && tracked[i].seq == seq) return &tracked[i];
  return NULL;
}

/* Drops from the list what is settled, so that it stays short: the ring holds 78 frames, so the newest 512 may come again. */
static void forget_settled(void) {
  uint32_t kept = 0;
  for (uint32_t i = 0; i < tracked_count; i++)
    if ((tracked[i].accepted && !tracked[i].delivered) || tracked_count - i < 512) tracked[kept++] = tracked[i];
  tracked_count = kept;
}

static enum millrace_status put(void *context, const uint8_t *frame, uint16_t length, int32_t *discarded) {
  struct millrace_frame_start start;
  int32_t samples;
  (void)context;
  CHECK_EQUAL(millrace_frame_peek(frame, length, &start, &samples), MILLRACE_OK);
  CHECK(find(start.boot, start.seq) == NULL);
  if (tracked_count == TRACKED) forget_settled();
  CHECK(tracked_count < TRACKED);
  struct tracked *entry = &tracked[tracked_count++];
  entry->boot = start.boot;
  entry->seq = start.seq;
  entry->crc = millrace_crc32(0, frame, length);
  entry->samples = (uint16_t)samples;
  entry->delivered = false;
  enum millrace_status status = port.put(port.context, frame, length, discarded);
  entry->accepted = status == MILLRACE_OK;
  if (status == MILLRACE_BROKEN) power = false;
  CHECK_EQUAL(*discarded, 0); /* the ring is never full here */
  return status;
}

/* The broker gets a taken frame. */
static void deliver(uint32_t handle) {
  const uint8_t *frame;
  uint16_t length;
  if (port.read(port.context, handle, &frame, &length) != MILLRACE_OK) {
    CHECK(!power || sim.dead);
    power = false;
    return;
  }
  CHECK(decode_frame(frame, length, &plant_1_schema, &decoded));
  struct tracked *entry = find((int32_t)decoded.boot, (int32_t)decoded.seq);
  CHECK(entry != NULL);
  if (entry == NULL) return;
  CHECK_EQUAL(millrace_crc32(0, frame, length), entry->crc);
  entry->delivered = true;
}

static void publish(uint32_t most) {
  while (power && in_flight_count < 4 && most-- > 0) {
    if (port.take(port.context, &in_flight[in_flight_count]) != MILLRACE_OK) return;
    deliver(in_flight[in_flight_count++]);
  }
}

static void acknowledge(void) {
  if (!power || in_flight_count == 0) return;
  uint32_t which = random_up_to(in_flight_count - 1);
  if (port.release(port.context, in_flight[which]) != MILLRACE_OK) power = false;
  in_flight[which] = in_flight[--in_flight_count];
}

/* Resets the device. False: power was cut again before it ran. */
static bool boot_device(void) {
  struct millrace_flash boot_flash = flash_sim_region(&boot_region, BOOT_SECTORS);
  struct millrace_flash flash = flash_sim_region(&store_region, SECTORS);
  struct millrace_flash_memory memory = {sectors, bits, frame_memory, 280};
  int32_t boot, discarded;
  power = true;
  in_flight_count = 0;
  if (millrace_boot_next(&boot_flash, 12345, &boot) != MILLRACE_OK) return false;
  CHECK((uint32_t)boot > highest_boot_seen);
  highest_boot_seen = (uint32_t)boot;
  CHECK_EQUAL(millrace_flash_store_open(&store, &flash, &memory, &discarded), MILLRACE_OK);
  CHECK_EQUAL(discarded, 0);
  port = millrace_flash_store_port(&store);
  millrace_clock_init(&clock, read_now, NULL);
  struct millrace_batcher_config config = {&plant_1_schema, &clock, {put, NULL}, batcher_memory, 280, 200, boot};
  CHECK_EQUAL(millrace_batcher_init(&batcher, &config), MILLRACE_OK);
  return true;
}

/* Lives until the power is cut, or for this many samples. */
static void live(uint32_t samples) {
  int32_t row[] = {6200, 2500, 75000, 10130, 11800};
  if (!boot_device()) return;
  for (uint32_t s = 0; power && s < samples; s++) {
    now += 50;
    for (int m = 0; m < 5; m++) row[m] += (int32_t)random_up_to(60) - 30;
    (void)millrace_batcher_sample(&batcher, row);
    (void)millrace_batcher_poll(&batcher);
    publish(random_up_to(2));
    if (random_up_to(2) > 0) acknowledge();
    if (random_up_to(50) == 0) port.divide(port.context);
  }
}

/* With power for good: everything that was accepted must come out. */
static void drain(void) {
  flash_sim_power(&sim, 0);
  CHECK(boot_device());
  for (uint32_t turn = 0; turn < 10000 && (turn == 0 || in_flight_count > 0); turn++) {
    publish(4);
    acknowledge();
  }
  for (uint32_t i = 0; i < tracked_count; i++) {
    if (tracked[i].accepted) CHECK(tracked[i].delivered);
  }
  CHECK(!sim.misused);
}

static void start(uint8_t write_unit) {
  flash_sim_init(&sim, SECTOR, BOOT_SECTORS + SECTORS, write_unit);
  tracked_count = 0;
  highest_boot_seen = 0;
  now = 0;
}

static void a_cut_at_each_single_write_loses_nothing(void) {
  static const uint8_t units[] = {4, 16};
  for (unsigned u = 0; u < 2; u++) {
    uint32_t writes = UINT32_MAX;
    for (uint32_t cut = 1; cut <= writes; cut += POWER_CUTS >= 10000 ? 1 : 97) {
      start(units[u]);
      flash_sim_power(&sim, cut);
      live(400);
      if (!sim.dead) writes = sim.writes;
      drain();
    }
    CHECK(writes > 500);
  }
}

static void many_random_cuts_lose_nothing(void) {
  start(4);
  for (uint32_t cut = 0; cut < POWER_CUTS; cut++) {
    flash_sim_power(&sim, 1 + random_up_to(random_up_to(3) == 0 ? 20 : 1500));
    live(200);
    if (cut % 1000 == 999) drain();
  }
  drain();
}

void power_cut_tests(void) {
  run("a power cut at each single write loses nothing", a_cut_at_each_single_write_loses_nothing);
  run("thousands of random power cuts lose nothing", many_random_cuts_lose_nothing);
}
