/* A device at 20 Hz whose network is cut for ten minutes, with frames in flash, in simulated time. */
#include <stdlib.h>
#include <string.h>

#include "check.h"
#include "decoder.h"
#include "millrace/batcher.h"
#include "millrace/flash_store.h"
#include "millrace/publisher.h"
#include "plant_1.h"
#include "suites.h"

#define SECTOR 4096
#define SECTORS_MAX 256
#define PERIOD_MS 50
#define MINUTE 60000u

/* Flash that never fails. */
static uint8_t flash_bytes[SECTOR * SECTORS_MAX];

static int flash_read(void *context, uint32_t offset, uint8_t *bytes, uint16_t length) {
  (void)context;
  memcpy(bytes, flash_bytes + offset, length);
  return 0;
}

static int flash_program(void *context, uint32_t offset, const uint8_t *bytes, uint16_t length) {
  (void)context;
  for (uint16_t i = 0; i < length; i++) flash_bytes[offset + i] &= bytes[i];
  return 0;
}

static int flash_erase(void *context, uint32_t sector) {
  (void)context;
  memset(flash_bytes + sector * SECTOR, 0xFF, SECTOR);
  return 0;
}

/* The broker behind a network that can be cut: what was sent arrives, its PUBACK may not. */
static uint32_t now;
static bool network;
static struct { uint16_t id; uint32_t due; } pending[16];
static uint32_t pending_count;
static bool connect_pending, connected;
static uint16_t next_id;

/* What the broker has: samples of each frame by number; 0: not received. */
#define FRAMES_MAX 65536
static uint16_t received[FRAMES_MAX];
static int64_t first_time[FRAMES_MAX], last_time[FRAMES_MAX];
static uint32_t dropped_reported, live_before_backlog;
static int32_t newest_before_cut, highest_received;
static struct decoded decoded;

static int session_open(void *context, const struct millrace_session_options *options, uint32_t now_ms) {
  (void)context, (void)options, (void)now_ms;
  connected = false;
  connect_pending = network;
  pending_count = 0;
  return 1;
}

static void receive(const uint8_t *frame, uint16_t length) {
  CHECK(decode_frame(frame, length, &plant_1_schema, &decoded));
  CHECK(decoded.seq < FRAMES_MAX);
  if (received[decoded.seq] == 0) dropped_reported += (uint32_t)decoded.dropped;
  if (received[decoded.seq] != 0) CHECK_EQUAL(received[decoded.seq], decoded.samples);
  received[decoded.seq] = (uint16_t)decoded.samples;
  first_time[decoded.seq] = decoded.time[0];
  last_time[decoded.seq] = decoded.time[decoded.samples - 1];
  /* A frame from the time of the cut that comes after one made since then. */
  if (decoded.seq > highest_received) highest_received = (int32_t)decoded.seq;
  else if (highest_received > newest_before_cut) live_before_backlog++;
}

static int session_publish(void *context, const struct millrace_message *message, uint16_t *packet_id) {
  (void)context;
  if (!connected || pending_count == 16) return 0;
  *packet_id = ++next_id == 0 ? ++next_id : next_id;
  if (!message->retain && network) receive(message->payload, message->length);
  pending[pending_count].id = *packet_id;
  pending[pending_count++].due = now + 20 + random_up_to(60);
  return 1;
}

static int session_poll(void *context, uint32_t now_ms, struct millrace_event *event) {
  (void)context;
  memset(event, 0, sizeof *event);
  if (!network) return 0; /* silence, as from a cable that was pulled */
  if (connect_pending) {
    connect_pending = false;
    connected = true;
    event->kind = MILLRACE_CONNECTED;
    event->receive_maximum = 20;
    return 1;
  }
  if (pending_count == 0 || (int32_t)(now_ms - pending[0].due) < 0) return 0;
  event->kind = MILLRACE_ACKNOWLEDGED;
  event->packet_id = pending[0].id;
  memmove(pending, pending + 1, --pending_count * sizeof *pending);
  return 1;
}

static void session_close(void *context, bool graceful) {
  (void)context, (void)graceful;
  connected = false;
  connect_pending = false;
}

static uint32_t read_now(void *context) {
  (void)context;
  return now;
}

static struct millrace_clock clock;
static struct millrace_flash_store store;
static struct millrace_batcher batcher;
static struct millrace_publisher publisher;
static uint32_t samples_made;

static void begin(uint32_t sectors) {
  static struct millrace_sector sector_memory[SECTORS_MAX];
  static uint8_t bits[512], frame_memory[280], batcher_memory[560];
  static struct millrace_in_flight in_flight[8];
  static struct millrace_identity identity;
  struct millrace_flash flash = {NULL, SECTOR, sectors, 4, flash_read, flash_program, flash_erase};
  struct millrace_flash_memory memory = {sector_memory, bits, frame_memory, 280};
  int32_t discarded;
  now = 1000;
  network = true;
  samples_made = dropped_reported = live_before_backlog = 0;
  pending_count = 0;
  highest_received = newest_before_cut = -1;
  memset(received, 0, sizeof received);
  memset(flash_bytes, 0xFF, sizeof flash_bytes);
  CHECK_EQUAL(millrace_flash_store_open(&store, &flash, &memory, &discarded), MILLRACE_OK);
  millrace_clock_init(&clock, read_now, NULL);
  millrace_clock_set(&clock, 1795416369998);
  CHECK_EQUAL(millrace_identity_init(&identity, "cut-1", "plant-1", 1), MILLRACE_OK);
  struct millrace_batcher_config batching = {&plant_1_schema, &clock, millrace_flash_store_sink(&store), batcher_memory, 280, 1000, 1};
  CHECK_EQUAL(millrace_batcher_init(&batcher, &batching), MILLRACE_OK);
  struct millrace_publisher_config publishing = {
      .session = {NULL, session_open, session_publish, session_poll, session_close},
      .store = millrace_flash_store_port(&store), .identity = &identity, .in_flight = in_flight, .in_flight_size = 8,
      .live_first = true, .seed = 7, .reconnect_min_ms = 1000, .reconnect_max_ms = 60000, .clock = &clock, .boot = 1};
  CHECK_EQUAL(millrace_publisher_init(&publisher, &publishing), MILLRACE_OK);
  millrace_publisher_start(&publisher, now, 0);
}

static void run_for(uint32_t ms) {
  static int32_t row[] = {6200, 2500, 75000, 10130, 11800};
  for (uint32_t end = now + ms; now != end; now += 10) {
    if (now % PERIOD_MS == 0) {
      row[0] += (int32_t)random_up_to(6) - 3;
      row[1] += (int32_t)random_up_to(60) - 30;
      row[2] += (int32_t)random_up_to(80) - 40;
      row[3] += (int32_t)random_up_to(2) - 1;
      CHECK_EQUAL(millrace_batcher_sample(&batcher, row), MILLRACE_OK);
      samples_made++;
    }
    CHECK_EQUAL(millrace_batcher_poll(&batcher), MILLRACE_OK);
    millrace_publisher_poll(&publisher, now);
  }
}

/* Lets everything out. The samples that arrived, and the frames that did not. */
static uint32_t finish_run(uint32_t *frames_missing) {
  uint32_t arrived = 0;
  run_for(4 * MINUTE);
  millrace_batcher_flush(&batcher);
  for (int i = 0; i < 2000; i++, now += 10) millrace_publisher_poll(&publisher, now);
  *frames_missing = 0;
  for (int32_t seq = 0; seq < batcher.next_seq; seq++) {
    arrived += received[seq];
    *frames_missing += received[seq] == 0;
    if (seq > 0 && received[seq] != 0 && received[seq - 1] != 0) CHECK(first_time[seq] > last_time[seq - 1]);
  }
  CHECK_EQUAL(publisher.in_flight, 0);
  return arrived;
}

static void ten_minutes_without_a_network_lose_nothing_with_a_megabyte(void) {
  uint32_t missing;
  begin(SECTORS_MAX);
  run_for(MINUTE);
  newest_before_cut = batcher.next_seq - 1;
  network = false;
  run_for(10 * MINUTE);
  int32_t last_of_cut = batcher.next_seq;
  newest_before_cut = last_of_cut;
  network = true;
  uint32_t arrived = finish_run(&missing);
  CHECK_EQUAL(missing, 0);
  CHECK_EQUAL(dropped_reported, 0);
  CHECK_EQUAL(arrived, samples_made);
  CHECK(samples_made >= 15 * 60 * 20);
  CHECK(live_before_backlog > 400);
  CHECK(publisher.resent > 0);
}

static void with_a_small_ring_dropped_says_exactly_how_many_were_lost(void) {
  uint32_t missing;
  for (uint32_t sectors = 3; sectors <= 40; sectors += 37) {
    begin(sectors);
    for (int cut = 0; cut < 3; cut++) {
      run_for(MINUTE);
      network = false;
      run_for(10 * MINUTE);
      network = true;
    }
    uint32_t arrived = finish_run(&missing);
    CHECK(missing > 0);
    CHECK_EQUAL(arrived + dropped_reported, samples_made);
    CHECK_EQUAL(batcher.dropped, 0);
  }
}

void network_cut_tests(void) {
  run("ten minutes without a network lose nothing with a megabyte", ten_minutes_without_a_network_lose_nothing_with_a_megabyte);
  run("with a small ring, dropped says exactly how many were lost", with_a_small_ring_dropped_says_exactly_how_many_were_lost);
}
